// Listener: which pool serves (VIP, protocol, port), and how it is remembered. Counts the listener's packets.
//
//   hit at an lb switch ─► serve          hit at an edge ─► by_source: all of a source's packets to one lb switch
//   miss ─► an edge spreads by source and port; an lb switch drops

control Listener(inout local_t local) {
    direct_counter(CounterType.packets_and_bytes) packets;

    // owner: stands for this listener in memory's keys; keep: ticks that memory lasts; slot_mask: slots of the pool less
    // one; remembers: all connections, not those of tracked slots alone; old_after: ticks after which one of a tracked slot is old.
    action serve(bit<16> listener, bit<16> owner, bit<16> pool, bit<16> slot_mask, bit<1> sticky, bit<1> fullnat,
                 bit<16> keep, bit<1> remembers, bit<16> old_after) {
        packets.count();
        local.listener = listener;
        local.owner = owner;
        local.pool = pool;
        local.slot_mask = slot_mask;
        local.sticky = sticky;
        local.fullnat = fullnat;
        local.keep = keep;
        local.remembers = remembers;
        local.old_after = old_after;
    }

    action by_source() {
        packets.count();
        local.sticky = 1;
    }

    // legal: an address that table `vip` claims; protocol 6 or 17; slot_mask one less than a power of two;
    // sticky and fullnat exclude each other not; remembers with either of them, and with protocol 17
    @id(0x02000003)
    table listener {
        key = {
            local.server : exact @name("address");
            local.proto : exact @name("protocol");
            local.server_port : exact @name("port");
        }
        actions = { serve; by_source; @defaultonly NoAction; }
        default_action = NoAction();
        counters = packets;
        size = LISTENERS;
    }

    apply {
        listener.apply();
        // Everything of a source is one connection where affinity says so.
        if (local.sticky == 1) {
            local.port_key = 0;
        }
    }
}

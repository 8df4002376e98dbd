// Guard: meters whatever opens connections: bare SYNs, and where memory was asked what neither it nor a pin knows.
//
//   known, or memory not asked ─► passes        new ─► guard_source ─► guard_listener ─red─► guard_over: dropped, counted
//
// A packet that either meter finds red is dropped; established traffic meets neither. On a settled slot what is no SYN
// costs neither a cell nor a report, so there is nothing to guard.

control Guard(inout local_t local, inout bit<32> drop) {
    direct_meter<bit<2>>(MeterType.packets) source_rate;
    direct_meter<bit<2>>(MeterType.packets) listener_rate;
    direct_counter(CounterType.packets) dropped;
    bit<2> color;
    bit<16> number;

    action limit_source(bit<16> guard) {
        source_rate.read(color);
        number = guard;
    }

    action limit_listener(bit<16> guard) {
        listener_rate.read(color);
        number = guard;
    }

    action over() {
        dropped.count();
    }

    // legal: prefixes of one family (IPv4 from /96 on, see MAPPED); each entry with a meter
    @id(0x02000005)
    table guard_source {
        key = {
            local.listener : exact @name("listener");
            local.client : lpm @name("client");
        }
        actions = { limit_source; @defaultonly NoAction; }
        default_action = NoAction();
        meters = source_rate;
        size = GUARDS;
    }

    @id(0x02000006)
    table guard_listener {
        key = { local.listener : exact @name("listener"); }
        actions = { limit_listener; @defaultonly NoAction; }
        default_action = NoAction();
        meters = listener_rate;
        size = LISTENERS;
    }

    // legal: every guard that an entry of the other two names
    @id(0x02000014)
    table guard_over {
        key = { number : exact @name("guard"); }
        actions = { over; @defaultonly NoAction; }
        default_action = NoAction();
        counters = dropped;
        size = ALL_GUARDS;
    }

    apply {
        color = 0;
        number = 0;
        guard_source.apply();
        if (color != 2) {
            guard_listener.apply();
        }
        if (color == 2) {
            guard_over.apply();
            drop = DROP_GUARD;
            local.done = 1;
        }
    }
}

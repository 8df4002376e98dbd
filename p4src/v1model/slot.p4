// Slot: the pool's Maglev table. A slot that has moved is tracked for a while: it names a backend for SYNs (`now`), one
// for what is not remembered (`base`), and the tracked time that it is in (`class`).
//
//   crc32(client, port) ─► slot = hash & (M - 1) ─► (pool, slot) ─► now ─┬ settled
//                                                                       └ tracked: base, class, ages

control Slot(inout local_t local) {
    action settled(bit<16> now) {
        local.slot_now = now;
    }

    // now 0: the slot is being emptied. base: `now` itself where what is not remembered is its own. class: 1 to 3; 0: of
    // a pool all of whose connections are remembered, while it moves. ages: what is old is told of.
    action tracked(bit<16> now, bit<16> base, bit<2> class, bit<1> ages) {
        local.slot_now = now;
        local.slot_base = base;
        local.slot_class = class;
        local.slot_ages = ages;
    }

    // legal: slot below the pool's number of slots; backends of the pool; base 0 only where now is 0; ages wherever base
    // is not now, but for now 0; class 0 only where all the pool's listeners remember
    @id(0x02000007)
    table slot {
        key = {
            local.pool : exact @name("pool");
            local.slot : exact @name("slot");
        }
        actions = { settled; tracked; @defaultonly NoAction; }
        default_action = NoAction();
        size = SLOTS;
    }

    apply {
        slot.apply();
    }
}

// Hashes: one CRC over client and port, for the slot (low bits) and for ECMP (high bits). decision.py computes the same.
control Spread(inout local_t local) {
    bit<32> hashed;

    apply {
        hash(hashed, HashAlgorithm.crc32, 32w0, {local.client, local.port_key}, 64w0x100000000);
        local.slot = hashed[15:0] & local.slot_mask;
        local.bucket = (bit<16>)hashed[31:24];
    }
}

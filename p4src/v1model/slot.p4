// Slot: the pool's Maglev table. While a slot moves it names two backends: `now` for SYNs, `before` for the rest.
//
//   crc32(client, port) ─► slot = hash & (M - 1) ─► (pool, slot) ─► now, before

control Slot(inout local_t local) {
    action settled(bit<16> now) {
        local.slot_now = now;
    }

    // now 0: the slot is being emptied.
    action moving(bit<16> now, bit<16> before) {
        local.slot_now = now;
        local.slot_before = before;
    }

    // legal: slot below the pool's number of slots; backends of the pool; before >= 1
    @id(0x02000007)
    table slot {
        key = {
            local.pool : exact @name("pool");
            local.slot : exact @name("slot");
        }
        actions = { settled; moving; @defaultonly NoAction; }
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

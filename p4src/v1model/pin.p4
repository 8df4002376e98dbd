// Pin: entries that the controller wrote for single connections (port 0: all of a source's).
//
//   hit ─► pinned: this switch reports when the connection falls idle (idle timeout)
//       ─► seen: another switch does; tell the controller that the connection is here now
//   SYN ─► another connection by the same name: goes past the pin, and says so; see choose.p4

control Pin(inout local_t local) {
    action pinned(bit<16> backend) {
        local.pinned = backend;
    }

    action seen(bit<16> backend) {
        local.pinned = backend;
        local.pin_elsewhere = 1;
    }

    // legal: a listener of table `listener`; backend >= 1; idle timeout only with `pinned`
    @id(0x02000004)
    table pin {
        key = {
            local.listener : exact @name("listener");
            local.client : exact @name("client");
            local.port_key : exact @name("port");
        }
        actions = { pinned; seen; @defaultonly NoAction; }
        default_action = NoAction();
        support_timeout = true;
        size = PINS;
    }

    apply {
        pin.apply();
        if (local.pinned != 0 && local.syn == 1 && local.sticky == 0) {
            local.pin_passed = 1;
        }
    }
}

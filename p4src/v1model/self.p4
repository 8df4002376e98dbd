// Self: what this switch is, the same for every packet. One default action, written by the controller.
//
//   legal: only the default action `configure`; without it nothing is claimed, for `mac` is zero

control Self(inout local_t local) {
    // cells_mask: cells of a way less one; embryo, closing, closed: ticks that such cells last;
    // key, key_ports: secrets of the digest, never changed while connections are remembered.
    action configure(bit<48> mac, bit<128> key, bit<32> key_ports, bit<16> cells_mask,
                     bit<16> embryo, bit<16> closing, bit<16> closed) {
        local.mac = mac;
        local.key = key;
        local.key_ports = key_ports;
        local.cells_mask = cells_mask;
        local.embryo = embryo;
        local.closing = closing;
        local.closed = closed;
    }

    @id(0x02000001)
    table self {
        actions = { @defaultonly configure; @defaultonly NoAction; }
        default_action = NoAction();
        size = 1;
    }

    apply {
        self.apply();
    }
}

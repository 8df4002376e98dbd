// Hello: frames by which the controller learns that the cable between two switches carries. Never forwarded.
//
//   hello ─► neighbour ─hit─► to the controller, metered        miss: dropped, counted
//
// Whether a hello is genuine is the controller's to say; where no neighbour is, none gets that far.

control Hello(inout local_t local, inout standard_metadata_t std, inout bit<8> punt, inout bit<32> drop) {
    action hear() {
        punt = REASON_HELLO;
    }

    // legal: ports to other switches that send hellos
    @id(0x02000011)
    table neighbour {
        key = { std.ingress_port : exact @name("port"); }
        actions = { hear; @defaultonly NoAction; }
        default_action = NoAction();
        size = NEIGHBOURS;
    }

    apply {
        if (!neighbour.apply().hit) {
            drop = DROP_HELLO;
        }
        local.done = 1;
    }
}

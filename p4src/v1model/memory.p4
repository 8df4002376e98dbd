// Memory: the switch's own record of who belongs to whom, in four ways of hashed cells (cell_t in types.p4).
//
//   recall: four cells read ─► a live one with our digest? ─► of this tracked time? ─► known
//                          │                                 └─► else its own place again
//                          └─► else the place for a new one: free, forgotten or reset, else the embryo next to expire
//   remember: one cell written
//
// The first packet of a connection, whatever it is, makes an embryo; the client's next one establishes it (as fast as a
// meter allows), its FIN starts the end, RST is the end: no single packet, which may be forged, holds a cell for long.
// RST is also one packet, and nothing here knows the sequence numbers by which the server tells a forged one: whatever
// the client sends after it, but for a SYN or another RST, brings the connection back. What remains to an attacker who
// guesses the four numbers of a connection: one that says nothing for `closed` after his RST, or for `closing` after his
// FIN, is forgotten; after his RST and a SYN of his its next packets go where its slot says.
// What was remembered in an earlier tracked time of the slot is not believed: since then its tuple may have been used
// again while the slot was settled, unseen. A listener that remembers all has seen everything: its cells have no class.
// An established cell is never replaced before its time, nor is one of a fullnat connection in any state: its place, way
// and index, is the port that the server knows.
//
// Here recall and remember are one pass. Hardware that may touch a register once a packet runs `remember` on the packet
// sent round again, which is why it needs nothing but way, index and the cell.

// The clock's ticks go round every 203 days: what seems to last longer than any cell may was forgotten long ago.
const bit<24> LONGEST = 0xffff;
const bit<24> NOT_REPLACEABLE = 0xffffff;
const bit<3> NO_WAY = 4;

// One way. Reads the cell at `index`; `worth` tells how much would be lost if it were replaced.
control Recall(inout local_t local, in bit<96> bits, in bit<3> way) {
    bit<24> left;
    bit<24> worth;
    bit<3> state;

    apply {
        left = bits[31:8] - local.now;
        state = bits[7:5];
        if (state == CELL_FREE || left == 0 || left > LONGEST) {
            worth = 0;
        } else if (bits[95:64] == local.digest && bits[3:3] == local.fullnat) {
            worth = NOT_REPLACEABLE;
            local.known = 1;
            local.way = way;
            local.cell.backend = bits[63:48];
            local.cell.born = bits[47:32];
            local.cell.until = bits[31:8];
            local.cell.state = state;
            local.cell.opened = bits[4:4];
            local.cell.fullnat = bits[3:3];
            local.cell.fresh = bits[2:2];
            local.cell.class = bits[1:0];
        } else if (bits[3:3] == 1 || state == CELL_ESTABLISHED || state == CELL_CLOSING) {
            worth = NOT_REPLACEABLE;
        } else if (state == CELL_CLOSED) {
            worth = 1;
        } else {
            worth = left + 1;
        }
        if (local.known == 0 && worth < local.worth) {
            local.worth = worth;
            local.way = way;
        }
    }
}

register<bit<96>>(CELLS) cells0;
register<bit<96>>(CELLS) cells1;
register<bit<96>>(CELLS) cells2;
register<bit<96>>(CELLS) cells3;

control Memory(inout local_t local) {
    Recall() recall;
    bit<96> bits;
    bit<32> first;
    bit<32> second;

    apply {
        // Keyed by sums, whose carries cannot be foreseen without the key; CRCs alone would be linear. No two words
        // stand equally far apart in two of the three orders: else one hash would follow from the other wherever only
        // those two words differ, as client and port do, and the digest would add nothing to the index.
        bit<32> w0 = local.client[31:0] + local.key[31:0];
        bit<32> w1 = local.client[63:32] + local.key[63:32];
        bit<32> w2 = local.client[95:64] + local.key[95:64];
        bit<32> w3 = local.client[127:96] + local.key[127:96];
        // A fullnat connection's cell is its local port: it has one of its own even where affinity says `source`.
        bit<16> port = local.port_key;
        if (local.fullnat == 1) {
            port = local.client_port;
        }
        bit<32> w4 = (port ++ local.owner) + local.key_ports;
        hash(first, HashAlgorithm.crc32, 32w0, {w0, w1, w2, w3, w4}, 64w0x100000000);
        hash(second, HashAlgorithm.crc32, 32w0, {w3, w1, w4, w2, w0}, 64w0x100000000);
        hash(local.digest, HashAlgorithm.crc32, 32w0, {w4, w3, w2, w1, w0}, 64w0x100000000);
        bit<16> mask = local.cells_mask;
        if (local.fullnat == 1) {
            mask = mask & (PEERS - 1);
        }
        local.index0 = first[15:0] & mask;
        local.index1 = first[31:16] & mask;
        local.index2 = second[15:0] & mask;
        local.index3 = second[31:16] & mask;
        local.way = NO_WAY;
        local.worth = NOT_REPLACEABLE;
        cells0.read(bits, (bit<32>)local.index0);
        recall.apply(local, bits, 0);
        if (local.known == 0) {
            cells1.read(bits, (bit<32>)local.index1);
            recall.apply(local, bits, 1);
        }
        if (local.known == 0) {
            cells2.read(bits, (bit<32>)local.index2);
            recall.apply(local, bits, 2);
        }
        if (local.known == 0) {
            cells3.read(bits, (bit<32>)local.index3);
            recall.apply(local, bits, 3);
        }
        if (local.remembers == 0 && local.cell.class != local.slot_class) {
            local.known = 0;
        }
    }
}

control Remember(inout local_t local, inout meter_color_t color) {
    bit<24> lasts;
    bit<96> bits;

    apply {
        bool opens = local.known == 0 || (local.syn == 1 && local.cell.state >= CELL_CLOSING);
        if (opens || local.cell.backend != local.backend) {
            local.cell.backend = local.backend;
            local.cell.born = local.now[15:0];
            local.cell.opened = local.syn;
            if (local.slot_class == 0) {
                local.cell.opened = 1;
            }
        }
        local.cell.class = local.slot_class;
        if (local.remembers == 1) {
            local.cell.class = 0;
        }
        if (opens) {
            local.cell.state = CELL_EMBRYO;
            local.cell.fullnat = local.fullnat;
            local.cell.fresh = local.pin_passed;
        } else {
            // With the pin that it went past gone, the next one is its own.
            if (local.pinned == 0) {
                local.cell.fresh = 0;
            }
            local.cell.fresh = local.cell.fresh | local.pin_passed;
            if ((local.cell.state == CELL_EMBRYO || local.cell.state == CELL_CLOSED) && local.syn == 0
                && local.rst == 0) {
                limits.execute_meter((bit<32>)REASON_PROMOTE, color);
                if (color != METER_RED) {
                    local.cell.state = CELL_ESTABLISHED;
                }
            }
        }
        // With affinity `source` a cell is of all of the source's connections, and the end of one does not end it.
        bool own = local.sticky == 0 || local.fullnat == 1;
        if (own && local.rst == 1) {
            local.cell.state = CELL_CLOSED;
        } else if (own && local.fin == 1 && local.cell.state == CELL_ESTABLISHED) {
            local.cell.state = CELL_CLOSING;
        }
        if (local.cell.state == CELL_EMBRYO) {
            lasts = (bit<24>)local.embryo;
        } else if (local.cell.state == CELL_ESTABLISHED) {
            lasts = (bit<24>)local.keep;
        } else if (local.cell.state == CELL_CLOSING || (local.fullnat == 1 && local.known == 1)) {
            lasts = (bit<24>)local.closing;
        } else {
            lasts = (bit<24>)local.closed;
        }
        bits = local.digest ++ local.cell.backend ++ local.cell.born ++ (local.now + lasts) ++ local.cell.state
            ++ local.cell.opened ++ local.cell.fullnat ++ local.cell.fresh ++ local.cell.class;
        if (local.way == 0) {
            cells0.write((bit<32>)local.index0, bits);
        } else if (local.way == 1) {
            cells1.write((bit<32>)local.index1, bits);
        } else if (local.way == 2) {
            cells2.write((bit<32>)local.index2, bits);
        } else if (local.way == 3) {
            cells3.write((bit<32>)local.index3, bits);
        }
    }
}

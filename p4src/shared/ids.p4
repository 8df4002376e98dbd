// Numbers that the controller and the pipeline agree on. Never give a number another meaning.
#ifndef EVENKEEL_IDS
#define EVENKEEL_IDS

const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<16> ETHERTYPE_ARP = 0x0806;
const bit<16> ETHERTYPE_VLAN = 0x8100;
const bit<16> ETHERTYPE_IPV6 = 0x86dd;
const bit<16> ETHERTYPE_SERVICE_VLAN = 0x88a8;
const bit<16> ETHERTYPE_HELLO = 0x88b6; // IEEE: local experimental 2

const bit<8> PROTO_ICMP = 1;
const bit<8> PROTO_IPV4 = 4;
const bit<8> PROTO_TCP = 6;
const bit<8> PROTO_UDP = 17;
const bit<8> PROTO_IPV6 = 41;
const bit<8> PROTO_FRAGMENT = 44;
const bit<8> PROTO_ICMP6 = 58;

// Why the switch tells the controller something (digests and packet-ins; also the index of meter and counter).
const bit<8> REASON_EXCEPTION = 1;     // remembered, and a switch without memory would, or will, send it elsewhere
const bit<8> REASON_OVERFLOW = 2;      // no way of the memory has room
const bit<8> REASON_PIN_SEEN = 3;      // a sibling's pin was hit here
const bit<8> REASON_PIN_STALE = 4;     // a SYN hit a pin: another connection by now
const bit<8> REASON_RESET = 5;         // packet-in: its backend has its connections reset
const bit<8> REASON_TOO_BIG = 6;       // packet-in: does not fit the tunnel
const bit<8> REASON_ERROR_UNKNOWN = 7; // packet-in: ICMP error about a connection that another lb switch may know
const bit<8> REASON_CLOCK = 8;         // packet-in: the answer to OP_CLOCK
const bit<8> REASON_HELLO = 9;         // packet-in: a neighbour's hello
const bit<8> REASON_YOUNG = 10;        // remembered for the backend of its slot, where one without memory may say another
const bit<8> REASON_FOUND = 11;        // on a tracked slot, and not opened here: the switch that saw it open knows better
const bit<8> REASON_CONFLICT = 12;     // another host says that it has a VIP: `listener` is the VIP, `client` begins with its MAC
const bit<8> REASON_PROMOTE = 15;      // no report: the meter that limits promotions

// What the controller asks for with a packet-out.
const bit<8> OP_SEND = 0;              // send the frame out of a port
//             OP_INJECT 1                // treat the frame as received on a port
const bit<8> OP_AUTHORIZE = 2;         // answer for a VIP until a deadline of this switch's clock; no frame
const bit<8> OP_CLOCK = 3;             // say what time it is here; the frame comes back
const bit<8> OP_ASK = 4;               // like OP_INJECT, but an error that is unknown here as well is dropped

// Why a packet was dropped: index of the counter.
const bit<32> DROP_MALFORMED = 0;      // cut short, a bad header, a TTL that ran out
const bit<32> DROP_NO_LISTENER = 1;    // to a VIP, but to no listener of it
const bit<32> DROP_NO_BACKEND = 2;     // the slot is empty
const bit<32> DROP_GUARD = 3;          // over a guard's rate
const bit<32> DROP_NO_ROUTE = 4;       // no next hop, no route
const bit<32> DROP_FRAGMENT = 5;       // a later fragment whose first was not seen
const bit<32> DROP_MEMORY = 6;         // no way has room: fullnat, whose port it would be; a SYN that waits for its pin
const bit<32> DROP_LIMITED = 7;        // a packet-in over its rate
const bit<32> DROP_ANSWER = 8;         // to a local address, but of no connection
const bit<32> DROP_RESET = 9;          // reported, to be reset
const bit<32> DROP_ERROR = 10;         // an ICMP error about an unknown connection
const bit<32> DROP_NO_AUTHORITY = 11;  // a question about a VIP that this site may not answer
const bit<32> DROP_HELLO = 12;         // a hello where no neighbour is
const bit<32> DROP_ACCESS = 13;        // from a source that the listener's access list blocks

const bit<2> FRAGMENT_NO = 0;
const bit<2> FRAGMENT_FIRST = 1;
const bit<2> FRAGMENT_LATER = 2;

const bit<2> FATE_DRAIN = 1;
const bit<2> FATE_MOVE = 2;
const bit<2> FATE_RESET = 3;

const bit<3> CELL_FREE = 0;
const bit<3> CELL_EMBRYO = 1;
const bit<3> CELL_ESTABLISHED = 2;
const bit<3> CELL_CLOSING = 3;         // a FIN was seen
const bit<3> CELL_CLOSED = 4;          // an RST was seen

#endif

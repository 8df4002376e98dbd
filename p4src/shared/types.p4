// What stages tell each other about one packet, and what the switch reports.
#ifndef EVENKEEL_TYPES
#define EVENKEEL_TYPES

// IPv4 addresses are carried as ::ffff:a.b.c.d.
typedef bit<128> address_t;
typedef bit<2> meter_color_t;

const meter_color_t METER_RED = 2;

const bit<96> MAPPED = 0xffff;

// The sum of an address's 16-bit words, for checksums; 0x7fff8 less that takes it out again.
bit<32> words(in address_t of) {
    return (bit<32>)of[127:112] + (bit<32>)of[111:96] + (bit<32>)of[95:80] + (bit<32>)of[79:64]
        + (bit<32>)of[63:48] + (bit<32>)of[47:32] + (bit<32>)of[31:16] + (bit<32>)of[15:0];
}

struct report_t {
    bit<8> reason;
    bit<16> listener;
    address_t client;
    bit<16> port;       // 0 with affinity `source`
    bit<16> backend;
}

// One cell of the connection memory, as it lies in its register (96 bits):
//   digest 32 | backend 16 | born 16 | until 24 | state 3 | opened 1 | fullnat 1 | fresh 1 | class 2
//
// `born` goes round every 19 hours: then one that is old counts as young for one `transition`, and is told of as such.
// It has been told of as old with every packet until then, so it has a pin unless it was silent for all that time.
struct cell_t {
    bit<32> digest;     // keyed; with the index it stands for the tuple
    bit<16> backend;
    bit<16> born;       // ticks: when that backend got it, in this class
    bit<24> until;      // ticks of 2^20 us: forgotten then
    bit<3> state;       // CELL_*
    bit<1> opened;      // it belongs to its backend; 0: it came to a tracked slot, and no SYN of it was seen
    bit<1> fullnat;     // its place is a port that a server knows: never replaced before its time
    bit<1> fresh;       // opened by a SYN that hit a pin: stronger than that pin, while it is there
    bit<2> class;       // of the slot then; 0: settled, or of a listener that remembers all
}

struct local_t {
    // who talks to whom: of the packet itself, or of the one that an ICMP error quotes, seen from the client
    address_t src;
    address_t dst;
    address_t client;
    address_t server;
    bit<16> client_port;
    bit<16> server_port;
    bit<16> port_key;    // client_port, or 0 where all of a source's packets count as one
    bit<8> proto;
    bit<1> is_ip;
    bit<1> is_transport; // TCP or UDP, ports known
    bit<1> is_error;     // ICMP error with a packet of TCP or UDP inside
    bit<1> from_cpu;
    bit<1> asked;        // OP_ASK
    bit<1> metered;      // the report that it makes is within its rate
    bit<2> fragment;     // FRAGMENT_*
    bit<1> syn;
    bit<1> fin;
    bit<1> rst;
    bit<24> now;         // ticks

    // what this switch is (table `self`)
    bit<48> mac;
    bit<128> key;
    bit<32> key_ports;
    bit<16> cells_mask;
    bit<16> embryo;
    bit<16> closing;
    bit<16> closed;

    // vip, listener
    bit<16> vip;
    bit<48> vip_mac;
    bit<1> responds;
    bit<16> uplinks;     // group of lb switches; 0: this switch balances
    bit<16> listener;
    bit<16> owner;       // stands for the listener in the memory; shared by those with one affinity
    bit<16> pool;
    bit<16> slot_mask;
    bit<1> sticky;
    bit<1> fullnat;
    bit<16> keep;        // ticks that an established connection is remembered
    bit<1> remembers;    // every connection, whatever its slot
    bit<16> old_after;   // ticks after which a connection of a tracked slot is old

    // slot, pin, memory, fate
    bit<16> pinned;
    bit<1> pin_elsewhere; // this switch is not the pin's reporter
    bit<1> pin_passed;   // a SYN went past it
    bit<1> known;        // memory has it
    cell_t cell;
    bit<3> way;          // where the memory has it, or would put it; 4: nowhere
    bit<24> worth;       // of what lies there now
    bit<16> index0;
    bit<16> index1;
    bit<16> index2;
    bit<16> index3;
    bit<32> digest;
    bit<16> slot;
    bit<16> slot_now;
    bit<16> slot_base;   // whose is what is not remembered and no SYN; 0: of `slot_now`
    bit<2> slot_class;   // the tracked time it is in; 0: none
    bit<1> slot_ages;    // what is old is told of, wherever it goes
    bit<1> recalled;     // memory was asked
    bit<2> fate;
    bit<1> again;        // decided by the slot, whatever was remembered
    bit<16> backend;
    bit<16> bucket;      // bits for ECMP
    bit<16> group;       // next hops; 0: routed
    bit<1> forward;      // not ours: routed
    bit<1> hop;          // the TTL counts
    bit<1> done;         // nothing left to decide
    bit<1> flood;        // for all on its segment, if it came from one
    bit<1> bridged;      // passed on as it is: never out of the port it came in

    // checksums: what is to be added to the transport's one's complement sum
    bit<32> delta;
    bit<1> check_nd;
}

#endif

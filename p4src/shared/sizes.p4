// Sizes of every table and register, once for all targets, with what each of them guarantees.
#ifndef EVENKEEL_SIZES
#define EVENKEEL_SIZES

const int VIPS = 4096;           // virtual addresses, and local addresses of fullnat
const int LISTENERS = 8192;      // (VIP, protocol, port)
const int BACKENDS = 16384;      // (listener, backend) pairs; as many answers to undo for nat and for fullnat
const int SESSIONS = 32768;      // two for each of BACKENDS: connections opened, and ended
const int SLOTS = 1048576;       // slots of all pools together: sixteen pools of the largest size
const int PINS = 131072;         // pinned connections: the controller's limit is 100,000
const int FATES = 16384;         // (pool, backend) pairs: no more than (listener, backend) pairs
const int ACCESS = 16384;        // (listener, source prefix) pairs of access lists
const int ALL_GUARDS = 12288;    // GUARDS, and one for each listener
const int GUARDS = 4096;         // metered (listener, source prefix) pairs
const int NEXTHOPS = 65536;      // (group, bucket) pairs: 256 groups
const int ROUTES = 16384;        // addresses and MACs that are forwarded without balancing
const int NEIGHBOURS = 512;      // ports to other switches
const int SEGMENTS = 512;        // ports that flood
const int BYPASSES = 256;        // prefixes whose hosts talk to servers directly

const int CELLS = 65536;         // cells a way of the connection memory: 262,144 connections in four ways
const int PEERS = 32768;         // fullnat connections a way: 131,072 in four ways, IPv4 or IPv6
const int FRAGMENTS = 65536;     // datagrams whose later fragments are on their way
const int DROPS = 16;            // reasons for a drop, counted
const int REASONS = 16;          // reasons for a report, metered

#endif

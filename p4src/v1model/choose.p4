// Choose: the first of pin, memory and slot to name a backend wins, unless that backend gives its connections away.
//
//   pin ─┐               ┌ normal, drain (no SYN) ─► that backend ─► not its slot's, or not for others? ─► report
//   memory ─► fate of it ┤ reset (no SYN) ─► packet-in, dropped
//                        ├ move, or a SYN ─► slot: `now`
//                        └ none: no backend of the pool ─► as if neither knew
//   neither, no SYN ─► slot: `base`, unless it gives its connections away: then `now`; report, where others may differ
//
// On a tracked slot a switch that does not remember a connection sends it to `base` until that ends, and to `now` then.
// One that is remembered for another backend than `now` is told of at once, and so is one that was found and given to
// `base` where the two differ, or will; one that is where `now` says, once it is old, and as young until then. Of one that
// was not opened here another switch may know better, so it is told of apart.
//
// Pins and cells outlive what they name: the listener may have another pool since, or the backend another number.
//
// A SYN goes past a pin, and its cell is stronger than that pin (`fresh`) for as long as that is there; the controller
// hears of it with every packet until it has taken the pin away or put the right one in its place. A pin to the very
// backend that the new connection has is right already.
//
// A SYN for which memory has no room counts as no SYN: nothing will tell its connection's next packets from those of an
// old one, so it goes where they will go, by pin or by slot (`base`). Where that is a backend that drains, the SYN is dropped
// and the controller asked to pin its connection elsewhere (or to take the old pin away) before the client sends it
// again.

control Choose(inout local_t local, inout bit<8> tell, inout bit<8> punt, inout bit<32> drop) {
    action normal() { }
    action drain() { local.fate = FATE_DRAIN; }
    action move() { local.fate = FATE_MOVE; }
    action reset() { local.fate = FATE_RESET; }

    // legal: every backend of a pool
    @id(0x02000008)
    table fate {
        key = {
            local.pool : exact @name("pool");
            local.backend : exact @name("backend");
        }
        actions = { normal; drain; move; reset; @defaultonly NoAction; }
        default_action = NoAction();
        size = FATES;
    }

    apply {
        bit<1> opens = local.syn;
        if (local.way == NO_WAY) {
            opens = 0;
            local.pin_passed = 0;
        }
        bool by_base = false;
        bool by_pin = local.pinned != 0 && local.pin_passed == 0
            && (local.known == 0 || local.cell.fresh == 0 || local.cell.backend == local.pinned);
        bool hidden = local.pinned != 0 && !by_pin;
        if (by_pin) {
            local.backend = local.pinned;
            if (local.pin_elsewhere == 1) {
                tell = REASON_PIN_SEEN;
            }
        } else if (local.known == 1 && (opens == 0 || local.cell.state < CELL_CLOSING)) {
            local.backend = local.cell.backend;
        } else if (local.known == 0 && opens == 0 && local.slot_base != 0) {
            local.backend = local.slot_base;
            by_base = true;
        }
        if (local.backend != 0 && !fate.apply().hit) {
            local.again = 1;
            local.backend = 0;
            by_pin = false;
            tell = 0;
            if (!by_base && opens == 0 && local.slot_base != 0) {
                local.backend = local.slot_base;
                by_base = true;
            }
            if (local.is_error == 1) {
                local.known = 0;
                local.pinned = 0;
            }
        }
        if (local.fate == FATE_RESET && opens == 0 && !by_base) {
            punt = REASON_RESET;
            drop = DROP_RESET;
            local.done = 1;
        } else if (local.backend == 0 || local.fate == FATE_MOVE || local.fate == FATE_RESET
                   || (local.fate == FATE_DRAIN && opens == 1 && local.sticky == 0)) {
            local.again = 1;
            local.backend = local.slot_now;
        } else if (local.fate == FATE_DRAIN && local.syn == 1 && local.way == NO_WAY && local.sticky == 0
                   && local.fullnat == 0) {
            tell = REASON_PIN_STALE;
            drop = DROP_MEMORY;
            local.backend = local.slot_now;
            if (by_base) {
                tell = REASON_OVERFLOW;
                if (local.backend == 0) {
                    tell = 0;
                    drop = DROP_NO_BACKEND;
                }
            }
            local.done = 1;
        } else if (!by_pin && local.fullnat == 0) {
            // Not of fullnat: no other switch could serve it, so there would be none to pin it for.
            if (by_base) {
                if (local.slot_class != 0 && local.is_error == 0
                    && (local.slot_ages == 1 || local.backend != local.slot_now)) {
                    tell = REASON_FOUND;
                }
            } else if (local.backend != local.slot_now || (local.slot_class != 0 && local.slot_ages == 1
                                                           && local.now[15:0] - local.cell.born > local.old_after)) {
                // A SYN that memory follows is one that came again; where slots are not tracked it may also be another
                // connection of a client that goes where it always does.
                if (opens == 0 || local.slot_class != 0) {
                    tell = REASON_EXCEPTION;
                    if (local.cell.opened == 0) {
                        tell = REASON_FOUND;
                    }
                }
            } else if (opens == 0 && local.slot_ages == 1) {
                tell = REASON_YOUNG;
                if (local.cell.opened == 0) {
                    tell = REASON_FOUND;
                }
            }
        }
        if (hidden && local.backend == local.pinned) {
            local.pin_passed = 0;
        } else if (hidden && (tell == 0 || tell == REASON_YOUNG || tell == REASON_FOUND)) {
            tell = REASON_PIN_STALE;
        }
        if (local.done == 0 && local.backend == 0) {
            drop = DROP_NO_BACKEND;
            local.done = 1;
        }
        // What only a pin knows is not for the memory.
        if (by_pin && local.again == 0) {
            local.way = NO_WAY;
        }
    }
}

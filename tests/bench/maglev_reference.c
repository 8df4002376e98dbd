/* The Maglev table in plain C: what Evenkeel's compiled Python is measured against.
 *
 * Same table as controller/maglev.py defines, written as one would without a thought to speed tricks: rounds of
 * cumulative credit, and probing of the table itself. The quotas and the seeds (offset, odd skip) come ready-made,
 * so only the fill is timed here, while Evenkeel's whole call is timed there.
 */
#include <stdint.h>
#include <string.h>

struct backend {
    uint32_t cursor, skip, weight, left;
    uint64_t credit;
    uint16_t id;
};

void fill(struct backend *backends, uint32_t count, uint16_t *table, uint32_t slots)
{
    const uint32_t mask = slots - 1;
    uint32_t heaviest = 0, filled = 0;

    memset(table, 0, slots * sizeof *table);
    for (uint32_t i = 0; i < count; i++)
        if (backends[i].weight > heaviest)
            heaviest = backends[i].weight;
    for (uint32_t i = 0; i < count; i++)
        backends[i].credit = heaviest - 1;
    while (filled < slots) {
        for (struct backend *b = backends; b < backends + count; b++) {
            b->credit += b->weight;
            if (b->credit < heaviest)
                continue;
            b->credit -= heaviest;
            if (b->left == 0)
                continue;
            b->left--;
            while (table[b->cursor])
                b->cursor = (b->cursor + b->skip) & mask;
            table[b->cursor] = b->id;
            b->cursor = (b->cursor + b->skip) & mask;
            filled++;
        }
    }
}

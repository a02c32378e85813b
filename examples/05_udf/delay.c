/* A C function for SQL: what a delay costs, in a made-up currency. */
#include <weir/udf.h>

WEIR_MODULE

/* delay_cost(minutes INT, airport VARCHAR) -> DOUBLE: early is free, the first quarter of an hour costs 1 a minute,
 * every minute beyond it 3; airports whose name starts with O are twice as dear. */
void delay_cost(struct weir_call *call)
{
    const int32_t *minutes = call->args[0].data;
    const struct weir_text *airport = call->args[1].data;
    double *cost = call->result.data;
    for (uint32_t i = 0; i < call->n; i++) {
        double c = minutes[i] <= 0 ? 0 : minutes[i] <= 15 ? minutes[i] : 15 + 3.0 * (minutes[i] - 15);
        cost[i] = airport[i].len && airport[i].ptr[0] == 'O' ? 2 * c : c;
    }
}

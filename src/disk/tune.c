#include "disk/tune.h"

#include "base/array.h"

enum {
    WINDOW_ROUNDS = 2,         /* a step is judged by so many answers for each request in flight, */
    WINDOW_MIN_US = 20 * 1000, /* over at least this time; */
    WINDOW_MAX_US = 1000 * 1000, /* after this, by what there was */
    FIRST_PATIENCE = 16,       /* windows */
    MAX_PATIENCE = 512,
    LONG_US = 500 * 1000,      /* one request shall not take longer, if smaller ones are possible */
};

static const unsigned ladder[] = {2, 4, 8, 12, 16, 24, TUNE_MAX_REQUESTS};

static const double gain = 1.04;  /* what more requests must bring */
static const double loss = 0.985; /* what fewer may cost */

static void go_to(struct tune *tune, size_t step, enum tune_phase phase, int64_t now_us)
{
    unsigned before = tune->requests;

    tune->phase = phase;
    tune->step = step;
    tune->requests = ladder[step] < tune->max_requests ? ladder[step] : tune->max_requests;
    tune->settling = before > tune->requests ? before : tune->requests;
    tune->window_bytes = 0;
    tune->window_count = 0;
    tune->window_start_us = now_us;
}

void tune_init(struct tune *tune, unsigned start, unsigned max_requests, size_t max_bytes,
               int64_t now_us)
{
    size_t step = 0;

    *tune = (struct tune){
        .max_requests = max_requests, .max_bytes = max_bytes, .bytes = max_bytes,
        .patience = FIRST_PATIENCE};
    while (step + 1 < ARRAY_SIZE(ladder) && ladder[step] < start)
        step++;
    go_to(tune, step, TUNE_CLIMB, now_us);
}

static bool is_top(const struct tune *tune, size_t step)
{
    return step + 1 == ARRAY_SIZE(ladder) || ladder[step] >= tune->max_requests;
}

static void hold(struct tune *tune, int64_t now_us)
{
    go_to(tune, tune->best_step, TUNE_HOLD, now_us);
    tune->hold_windows = tune->patience;
}

static void take_as_best(struct tune *tune, double rate)
{
    tune->best_step = tune->step;
    tune->best_rate = rate;
}

/* A trial brought nothing: the next one comes later, in the other direction. */
static void give_up(struct tune *tune, int64_t now_us)
{
    tune->tries_less = tune->phase != TUNE_LESS;
    if (tune->phase != TUNE_CLIMB && tune->patience < MAX_PATIENCE)
        tune->patience *= 2;
    hold(tune, now_us);
}

static void judge_hold(struct tune *tune, double rate, int64_t now_us)
{
    tune->best_rate = (tune->best_rate + rate) / 2; /* the line may have become another */
    if (--tune->hold_windows > 0)
        return;
    if (tune->tries_less && tune->step > 0)
        go_to(tune, tune->step - 1, TUNE_LESS, now_us);
    else if (!is_top(tune, tune->step))
        go_to(tune, tune->step + 1, TUNE_MORE, now_us);
    else
        give_up(tune, now_us);
}

/* Decides by RATE, that of the window which ended. */
static void judge(struct tune *tune, double rate, int64_t now_us)
{
    switch (tune->phase) {
    case TUNE_CLIMB:
    case TUNE_MORE:
        if (rate <= tune->best_rate * gain) {
            give_up(tune, now_us);
            break;
        }
        take_as_best(tune, rate);
        if (is_top(tune, tune->step))
            hold(tune, now_us);
        else
            go_to(tune, tune->step + 1, TUNE_CLIMB, now_us);
        break;
    case TUNE_LESS:
        if (rate < tune->best_rate * loss) {
            give_up(tune, now_us);
            break;
        }
        take_as_best(tune, rate);
        hold(tune, now_us);
        break;
    case TUNE_HOLD:
        judge_hold(tune, rate, now_us);
        break;
    }
}

/* The largest power of two of which one request takes no longer than LONG_US. */
static size_t fit_bytes(const struct tune *tune, double rate)
{
    double most = rate / tune->requests * LONG_US;
    size_t bytes = tune->max_bytes;

    while (bytes > TUNE_MIN_BYTES && (double)bytes > most)
        bytes /= 2;
    return bytes;
}

bool tune_note(struct tune *tune, uint64_t length, int64_t now_us)
{
    unsigned requests = tune->requests;
    size_t bytes = tune->bytes;

    if (tune->settling > 0) {
        tune->settling--;
        tune->window_start_us = now_us;
        return false;
    }
    tune->window_bytes += length;
    tune->window_count++;
    int64_t took_us = now_us - tune->window_start_us;
    if (took_us < WINDOW_MAX_US &&
        (took_us < WINDOW_MIN_US || tune->window_count < WINDOW_ROUNDS * tune->requests))
        return false;
    double rate = (double)tune->window_bytes / (double)took_us;
    tune->bytes = fit_bytes(tune, rate);
    tune->window_bytes = 0;
    tune->window_count = 0;
    tune->window_start_us = now_us;
    judge(tune, rate, now_us);
    return tune->requests != requests || tune->bytes != bytes;
}

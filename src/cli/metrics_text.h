/* Reads what /metrics answers: the Prometheus text format, as far as our own metrics use it.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

/* The sum of the metric NAME in TEXT over those of its series whose labels have PART ("": all). */
double metrics_sum(const char *text, const char *name, const char *part);

/* The time below which the SHARE (0.5, 0.99) of what the histogram NAME counted lies, in seconds,
 * over the series whose labels have PART and have not LACKS (NULL: any): interpolated within a
 * bucket, the last bound for what is above all.  0 if nothing was counted. */
double metrics_quantile(const char *text, const char *name, const char *part, const char *lacks,
                        double share);

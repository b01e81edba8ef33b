#include "cli/metrics_text.h"

#include "base/test.h"

static const char text[] = "# TYPE t histogram\n"
                           "t_bucket{verb=\"GET\",le=\"0.001\"} 5\n"
                           "t_bucket{verb=\"GET\",le=\"0.002\"} 10\n"
                           "t_bucket{verb=\"GET\",le=\"+Inf\"} 10\n"
                           "t_sum{verb=\"GET\"} 0.01\n"
                           "t_count{verb=\"GET\"} 10\n"
                           "t_bucket{verb=\"WATCH\",le=\"0.001\"} 0\n"
                           "t_bucket{verb=\"WATCH\",le=\"0.002\"} 0\n"
                           "t_bucket{verb=\"WATCH\",le=\"+Inf\"} 10\n"
                           "t_count{verb=\"WATCH\"} 10\n"
                           "t_counter 7\n";

static long micro(double seconds)
{
    return (long)(seconds * 1e6 + 0.5);
}

TEST(sums_the_series_of_one_metric)
{
    CHECK_INT((int)metrics_sum(text, "t_count", ""), 20);
    CHECK_INT((int)metrics_sum(text, "t_count", "GET"), 10);
    CHECK_INT((int)metrics_sum(text, "t_counter", ""), 7);
    CHECK_INT((int)metrics_sum(text, "none", ""), 0);
}

TEST(finds_quantiles_within_buckets)
{
    CHECK_INT(micro(metrics_quantile(text, "t", "", "WATCH", 0.5)), 1000);
    CHECK_INT(micro(metrics_quantile(text, "t", "GET", NULL, 0.75)), 1500);
    CHECK_INT(micro(metrics_quantile(text, "t", "GET", NULL, 0.25)), 500);
    /* above all bounds it is the last one that is known */
    CHECK_INT(micro(metrics_quantile(text, "t", "WATCH", NULL, 0.5)), 2000);
    CHECK_INT(micro(metrics_quantile(text, "none", "", NULL, 0.5)), 0);
}

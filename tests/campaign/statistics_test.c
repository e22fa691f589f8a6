/* Intervals and sizes of samples, against published values and sums of their own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "campaign/statistics.h"

static void near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance)) {
        fail_msg("%.9g is not %.9g", value, wanted);
    }
}

/* The first five are in table I of R. G. Newcombe: Two-sided confidence intervals for
 * the single proportion (Statistics in Medicine 17, 1998), methods 3 and 5; the others,
 * and the digits that are not there, are sums of binomial terms as fractions. */
static const struct {
    uint64_t hits, total;
    double confidence;
    struct interval wilson, clopper_pearson;
} published[] = {
    {81, 263, 0.95, {0.255289, 0.366210}, {0.252737, 0.367622}},
    {15, 148, 0.95, {0.062386, 0.160487}, {0.057844, 0.161650}},
    {0, 20, 0.95, {0, 0.161125}, {0, 0.168433}},
    {1, 29, 0.95, {0.006113, 0.171755}, {0.000873, 0.177644}},
    {29, 29, 0.95, {0.883030, 1}, {0.880555, 1}},
    {3, 1000, 0.99, {0.000758, 0.011794}, {0.000338, 0.010934}},
    {130, 1000, 0.99, {0.105027, 0.159851}, {0.103929, 0.159670}},
};

static void test_intervals(void **state)
{
    (void)state;
    const double tolerance = 6e-7;
    for (size_t i = 0; i < ARRAY_LENGTH(published); i++) {
        uint64_t hits = published[i].hits, total = published[i].total;
        double confidence = published[i].confidence;
        struct interval wilson = statistics_wilson(hits, total, confidence);
        struct interval exact = statistics_clopper_pearson(hits, total, confidence);
        near(wilson.low, published[i].wilson.low, tolerance);
        near(wilson.high, published[i].wilson.high, tolerance);
        near(exact.low, published[i].clopper_pearson.low, tolerance);
        near(exact.high, published[i].clopper_pearson.high, tolerance);
    }
}

/* Where k of n are hits, the others are n - k; without experiments nothing is known. */
static void test_symmetry(void **state)
{
    (void)state;
    struct interval (*const methods[])(uint64_t, uint64_t, double) = {
        statistics_wilson, statistics_clopper_pearson};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        for (uint64_t hits = 0; hits <= 50; hits++) {
            struct interval one = methods[i](hits, 50, 0.95);
            struct interval other = methods[i](50 - hits, 50, 0.95);
            near(one.low, 1 - other.high, 1e-12);
            assert_true(one.low <= (double)hits / 50 && (double)hits / 50 <= one.high);
        }
        struct interval nothing = methods[i](0, 0, 0.95);
        near(nothing.low, 0, 0);
        near(nothing.high, 1, 0);
    }
}

/* The tails of the exact interval have the probability that they should have. */
static void test_large(void **state)
{
    (void)state;
    const uint64_t totals[] = {100, 10000, 1000000};
    for (size_t i = 0; i < ARRAY_LENGTH(totals); i++) {
        double n = (double)totals[i];
        for (double k = 1; k < n; k = ceil(k * 3.7)) {
            struct interval exact =
                statistics_clopper_pearson((uint64_t)k, totals[i], 0.99);
            near(statistics_incomplete_beta(k, n - k + 1, exact.low), 0.005, 1e-9);
            near(statistics_incomplete_beta(k + 1, n - k, exact.high), 0.995, 1e-9);
        }
    }
}

/* I_x(a, b) for whole a and b is a sum of binomial terms; some are known in closed
 * form. */
static void test_incomplete_beta(void **state)
{
    (void)state;
    for (double x = 0.05; x < 1; x += 0.05) {
        near(statistics_incomplete_beta(1, 1, x), x, 1e-13);
        near(statistics_incomplete_beta(3, 1, x), x * x * x, 1e-13);
        near(statistics_incomplete_beta(1, 5, x), 1 - pow(1 - x, 5), 1e-13);
        near(statistics_incomplete_beta(0.5, 0.5, x), 2 / M_PI * asin(sqrt(x)), 1e-12);
        double sum = 0;
        for (int k = 4; k <= 10; k++) {
            sum += exp(lgamma(11) - lgamma(k + 1) - lgamma(11 - k)) * pow(x, k) *
                   pow(1 - x, 10 - k);
        }
        near(statistics_incomplete_beta(4, 7, x), sum, 1e-12);
    }
    near(statistics_incomplete_beta(2, 3, 0), 0, 0);
    near(statistics_incomplete_beta(2, 3, 1), 1, 0);
}

static void test_quantiles(void **state)
{
    (void)state;
    near(statistics_quantile(0.5), 0.674489750196082, 1e-12);
    near(statistics_quantile(0.95), 1.959963984540054, 1e-12);
    near(statistics_quantile(0.99), 2.575829303548900, 1e-12);
    near(statistics_quantile(0.998), 3.090232306167813, 1e-11);
}

/* The size for an infinite fault space, 95 % and 5 % is in every textbook; the
 * formula's other values are computed apart. */
static void test_sample_sizes(void **state)
{
    (void)state;
    assert_int_equal(statistics_sample_size(0, 0.05, 0.95, 0.5), 385);
    assert_int_equal(statistics_sample_size(0, 0.01, 0.95, 0.5), 9604);
    assert_int_equal(statistics_sample_size(0, 0.01, 0.99, 0.5), 16588);
    assert_int_equal(statistics_sample_size(1e4, 0.01, 0.95, 0.5), 4900);
    assert_int_equal(statistics_sample_size(1e6, 0.01, 0.95, 0.5), 9513);
    assert_int_equal(statistics_sample_size(1e3, 0.05, 0.95, 0.5), 278);
    assert_int_equal(statistics_sample_size(1, 0.05, 0.95, 0.5), 1);
    for (double points = 0; points < 1e12; points = 10 * points + 1000) {
        uint64_t size = statistics_sample_size(points, 0.02, 0.99, 0.3);
        assert_true(statistics_margin(points, size, 0.99, 0.3) <= 0.02);
        assert_true(statistics_margin(points, size - 1, 0.99, 0.3) > 0.02);
    }
    near(statistics_margin(0, 0, 0.95, 0.5), 1, 0);
    near(statistics_margin(100, 100, 0.95, 0.5), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals),       cmocka_unit_test(test_symmetry),
        cmocka_unit_test(test_large),           cmocka_unit_test(test_sample_sizes),
        cmocka_unit_test(test_incomplete_beta), cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "campaign/statistics.h"

#include <math.h>

enum { BISECTIONS = 200, MOST_TERMS = 100000 };

/* -- normal distribution -- */

double statistics_quantile(double confidence)
{
    double low = 0, high = 40; /* beyond 38 erfc() is 0 */
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;
        if (erfc(middle / M_SQRT2) > 1 - confidence) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

struct interval statistics_wilson(uint64_t hits, uint64_t total, double confidence)
{
    if (!total) {
        return (struct interval){0, 1};
    }
    double n = (double)total, rate = (double)hits / n;
    double z = statistics_quantile(confidence), z2 = z * z;
    double center = (rate + z2 / (2 * n)) / (1 + z2 / n);
    double half = z / (1 + z2 / n) * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
    return (struct interval){
        .low = hits ? fmax(0, center - half) : 0,
        .high = hits < total ? fmin(1, center + half) : 1,
    };
}

/* -- beta distribution -- */

/* The continued fraction of the incomplete beta function (Abramowitz and
 * Stegun, 26.5.8), from its begin by Lentz's method. It converges fast for x < (a + 1)
 * / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300, exact = 1e-15;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double result = d;
    for (int m = 1; m < MOST_TERMS; m++) {
        const double terms[] = {
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        };
        double factor = 1;
        for (unsigned k = 0; k < ARRAY_LENGTH(terms); k++) {
            d = 1 + terms[k] * d;
            c = 1 + terms[k] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            factor = d * c;
            result *= factor;
        }
        if (fabs(factor - 1) < exact) {
            break;
        }
    }
    return result;
}

double statistics_incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1) {
        return x >= 1;
    }
    double factor =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? factor * beta_fraction(a, b, x) / a
                                     : 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

/* The x at which I_x(a, b) is `probability`. */
static double beta_quantile(double a, double b, double probability)
{
    double low = 0, high = 1;
    for (int i = 0; i < BISECTIONS && low < high; i++) {
        double middle = (low + high) / 2;
        if (statistics_incomplete_beta(a, b, middle) < probability) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

struct interval statistics_clopper_pearson(uint64_t hits, uint64_t total,
                                           double confidence)
{
    double k = (double)hits, n = (double)total, tail = (1 - confidence) / 2;
    return (struct interval){
        .low = hits ? beta_quantile(k, n - k + 1, tail) : 0,
        .high = hits < total ? beta_quantile(k + 1, n - k, 1 - tail) : 1,
    };
}

/* -- sizes of samples -- */

uint64_t statistics_sample_size(double points, double margin, double confidence,
                                double rate)
{
    double z = statistics_quantile(confidence);
    double infinite = z * z * rate * (1 - rate) / (margin * margin);
    return (uint64_t)ceil(points > 0 ? points / (1 + (points - 1) / infinite)
                                     : infinite);
}

double statistics_margin(double points, uint64_t sample, double confidence, double rate)
{
    double n = (double)sample, z = statistics_quantile(confidence);
    if (!sample) {
        return 1;
    }
    if (points > 0 && n >= points) {
        return 0;
    }
    double finite = points > 1 ? (points - n) / (points - 1) : 1;
    return z * sqrt(rate * (1 - rate) / n * finite);
}

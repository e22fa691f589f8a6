/* campaign/statistics.h: what a sample tells about the whole fault space.
 *
 * Rates come with confidence intervals. Absolute numbers of failures are a rate times
 * the size of the fault space: programs are compared by these, as two programs' rates
 * relate to different fault spaces (H. Schirmeier, C. Borchert, O. Spinczyk: Avoiding
 * Pitfalls in Fault-Injection Based Comparison of Program Susceptibility to Soft
 * Errors, DSN 2015). `confidence` is that of a two-sided interval, between 0 and 1.
 * Thread: any. */
#ifndef CAMPAIGN_STATISTICS_H
#define CAMPAIGN_STATISTICS_H

#include "base/types.h"

struct interval {
    double low, high;
};

/* The quantile of the normal distribution that encloses `confidence`: 1.96 for 0.95. */
double statistics_quantile(double confidence);

/* For `hits` of `total`, by E. B. Wilson (Journal of the American Statistical
 * Association 22, 1927): close to the confidence on average. From 0 to 1 if total is
 * 0. */
struct interval statistics_wilson(uint64_t hits, uint64_t total, double confidence);

/* Likewise, by C. J. Clopper and E. S. Pearson (Biometrika 26, 1934): never below the
 * confidence, and wider for that. */
struct interval statistics_clopper_pearson(uint64_t hits, uint64_t total,
                                           double confidence);

/* How many experiments it takes to know a rate within `margin` (0.01: one percentage
 * point either way) if `points` could be carried out, by R. Leveugle, A. Calvez,
 * P. Maistri, P. Vanhauwaert: Statistical Fault Injection: Quantified Error and
 * Confidence (DATE 2009), equation 1. `rate` is a guess of it; 0.5 is the worst case.
 * points 0: of an infinite fault space. */
uint64_t statistics_sample_size(double points, double margin, double confidence,
                                double rate);

/* The other way round: the margin that `sample` experiments give. */
double statistics_margin(double points, uint64_t sample, double confidence,
                         double rate);

/* The regularized incomplete beta function I_x(a, b), a and b > 0. */
double statistics_incomplete_beta(double a, double b, double x);

#endif

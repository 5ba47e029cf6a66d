// Vectors of as many pixels as the widest registers hold, and rows shared among threads.

#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t Int __attribute__((vector_size(LANES * 4)));

// Rows 0 to count, claimed by the threads one after the other.
template <class Work> static void each_row(int count, int threads, Work work) {
    std::atomic<int> next{0};
    auto claim = [&] {
        for (int y; (y = next.fetch_add(1)) < count;) work(y);
    };
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < threads && i < count; i++) others.emplace_back(claim);
    } catch (const std::exception &) {
        // no more threads to be had: those that there are do the work
    }
    claim();
    for (auto &other : others) other.join();
}

static inline Vec select(Int condition, Vec yes, Vec no) { return condition ? yes : no; }
static inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
static inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }
static inline Vec magnitude(Vec v) { return (Vec)((Int)v & 0x7fffffff); }

// The first `count` of a line of values, zeros after them.
static inline Vec load(const float *from, int count) {
    Vec v = {};
    if (count >= LANES) memcpy(&v, from, sizeof v);
    else memcpy(&v, from, 4 * count);
    return v;
}

static inline Vec square_root(Vec v) {
#if defined(__AVX512F__)
    return (Vec)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__)
    return (Vec)_mm256_sqrt_ps((__m256)v);
#else
    Vec root;
    for (int i = 0; i < LANES; i++) root[i] = std::sqrt(v[i]);
    return root;
#endif
}

// v[index], lane by lane.
static inline Vec permuted(Vec v, Int index) {
#if defined(__AVX512F__)
    return (Vec)_mm512_permutexvar_ps((__m512i)index, (__m512)v);
#elif defined(__AVX2__)
    return (Vec)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index);
#else
    float values[LANES];
    memcpy(values, &v, sizeof v);
    for (int i = 0; i < LANES; i++) v[i] = values[index[i]];
    return v;
#endif
}

// e to the v for v of at most 88, to some 1e-7 of it (Cody and Waite's reduction, a polynomial of degree 6).
static inline Vec exponential(Vec v) {
    v = larger(v, (Vec){} - 87.0f);
    const Vec scaled = v * 1.44269504f;
    const Vec biased = scaled + 12582912.0f; // adding 1.5 * 2^23 rounds to the nearest whole number
    const Vec whole = biased - 12582912.0f;
    const Vec rest = (v - whole * 0.693359375f) + whole * 2.12194440e-4f;
    Vec sum = (Vec){} + 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    const Int power = (Int)biased - 0x4b400000;
    return sum * (Vec)((power + 127) << 23);
}

// The natural logarithm of v above 0, to some 1e-7 (the exponent apart, a polynomial of the rest, as in Cephes).
static inline Vec logarithm(Vec v) {
    const Vec one = (Vec){} + 1.0f;
    Vec power = __builtin_convertvector(((Int)v >> 23) - 126, Vec);
    Vec rest = (Vec)(((Int)v & 0x007fffff) | 0x3f000000); // 0.5 to 1
    const Int small = (Int)(rest < 0.70710678f);
    power = select(small, power - one, power);
    rest = select(small, rest + rest, rest) - one;
    const Vec square = rest * rest;
    Vec sum = (Vec){} + 7.0376836292e-2f;
    sum = sum * rest - 1.1514610310e-1f;
    sum = sum * rest + 1.1676998740e-1f;
    sum = sum * rest - 1.2420140846e-1f;
    sum = sum * rest + 1.4249322787e-1f;
    sum = sum * rest - 1.6668057665e-1f;
    sum = sum * rest + 2.0000714765e-1f;
    sum = sum * rest - 2.4999993993e-1f;
    sum = sum * rest + 3.3333331174e-1f;
    sum = sum * rest * square;
    return (sum - 2.12194440e-4f * power - 0.5f * square) + rest + 0.693359375f * power;
}

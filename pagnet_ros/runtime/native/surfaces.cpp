// The choice among measured surfaces on a CPU: what `pagnet_ros/model/surfaces.py` defines, in the same order of sums.
//
// Two calls a frame: `pagnet_rays` finds the nearest measurement of every pixel in each direction, `pagnet_choose` reads
// the network's logits. Pixels lie along the lanes of a vector; rows are shared among threads made for the call.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t Int __attribute__((vector_size(LANES * 4)));

static constexpr int RAYS = 9, CENTRE = 4, CANDIDATES = 10, FIELDS = 7;
static constexpr float LARGEST_SLOPE = 0.03f, LONGEST_CONTINUATION = 2.2f, SMOOTH_DISTANCE2 = 0.3f,
                       SMOOTH_STEP = 0.1f, FARTHEST_BESIDE_OWN = 2.0f;
static constexpr float WIDTH = 0.004f, WIDTH_LOW = -2.5f, WIDTH_HIGH = 3.0f;
static constexpr float TINT = 10.0f, TINT_LOW = -3.0f, TINT_HIGH = 2.5f;
static constexpr float SAME_SURFACE = 0.01f, SAME_SURFACE_WIDTHS = 2.0f;
static constexpr float SPREAD_VARIANCE = 0.85f, WIDTH_VARIANCE = 1.6f;

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

static inline float minmod(float a, float b) {
    if (!(a * b > 0.0f)) return 0.0f;
    return std::fabs(a) < std::fabs(b) ? a : b;
}

static inline Vec select(Int condition, Vec yes, Vec no) {
    return (Vec)(((Int)yes & condition) | ((Int)no & ~condition));
}
static inline Vec larger(Vec a, Vec b) { return select((Int)(a > b), a, b); }
static inline Vec smaller(Vec a, Vec b) { return select((Int)(a < b), a, b); }
static inline Vec magnitude(Vec v) { return (Vec)((Int)v & 0x7fffffff); }

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

static inline Vec square_root(Vec v) {
    Vec root;
    for (int i = 0; i < LANES; i++) root[i] = std::sqrt(v[i]);
    return root;
}

// One frame's choice; all sizes in pixels, all pointers to dense memory unless a step is given.
struct Frame {
    const float *rays;                // [7][9][height][width]: depth, slope_x, slope_y, distance, red, green, blue
    int32_t height, width;            // of the measured depth
    const int64_t *rows, *columns;    // [out_height], [out_width]: the measured pixel of each output pixel
    const float *offset_y, *offset_x; // and where in it
    int32_t out_height, out_width;
    const uint32_t *logits;           // the head's planes, in the order (channel, i, j) of a pixel shuffle by `stride`
    int64_t logits_row, logits_plane; // cells from one row, one plane to the next
    int32_t stride, mean;
    float minimum, maximum;           // depth in range; a smooth surface passes through no measurement beyond
    const int64_t *grid_rows, *grid_columns; // [out_height], [out_width]: the place among the shuffled logits
    const uint32_t *tint;             // the planes of what colour counts, nine of them, by `stride` coarser
    int64_t tint_row, tint_plane;
    const void *rgb;                  // [out_height, out_width, 3] of any steps, in elements
    int64_t rgb_x, rgb_y, rgb_c;
    int32_t eight_bit;                // 0 to 255, else -0.5 to 0.5
    float *depth, *sigma, *probability, *rival; // [out_height, out_width]
    uint8_t *own;
};

static inline float colour_at(const Frame &f, int y, int x, int band) {
    const int64_t at = y * f.rgb_y + x * f.rgb_x + band * f.rgb_c;
    return f.eight_bit ? ((const uint8_t *)f.rgb)[at] / 255.0f - 0.5f : ((const float *)f.rgb)[at];
}

static void choose_row(const Frame &f, int y) {
    const int64_t field = (int64_t)RAYS * f.height * f.width, plane = (int64_t)f.height * f.width;
    const float *row = f.rays + f.rows[y] * f.width;
    const int64_t grid_y = f.grid_rows[y];
    const int cells = f.stride * f.stride, phase_y = (int)(grid_y % f.stride) * f.stride;
    const uint32_t *head = f.logits + grid_y / f.stride * f.logits_row;
    for (int x0 = 0; x0 < f.out_width; x0 += LANES) {
        const int count = std::min(LANES, f.out_width - x0);
        Vec depth[CANDIDATES], distance[RAYS], slope_x[RAYS], slope_y[RAYS], logit[CANDIDATES + 1], offset_x;
        Vec counts_for[RAYS], tint[RAYS];
        for (int i = 0; i < LANES; i++) {
            const int x = x0 + std::min(i, count - 1);
            const float *at = row + f.columns[x];
            offset_x[i] = f.offset_x[x];
            const float red = colour_at(f, y, x, 0), green = colour_at(f, y, x, 1), blue = colour_at(f, y, x, 2);
            for (int k = 0; k < RAYS; k++) {
                depth[k][i] = at[k * plane];
                slope_x[k][i] = at[field + k * plane];
                slope_y[k][i] = at[2 * field + k * plane];
                distance[k][i] = at[3 * field + k * plane];
                tint[k][i] = (std::fabs(at[4 * field + k * plane] - red) + std::fabs(at[5 * field + k * plane] - green) +
                              std::fabs(at[6 * field + k * plane] - blue)) / 3.0f;
            }
            const int64_t grid_x = f.grid_columns[x];
            const uint32_t *cell = head + grid_x / f.stride;
            const int phase = phase_y + (int)(grid_x % f.stride);
            for (int k = 0; k <= CANDIDATES; k++) {
                float value;
                memcpy(&value, cell + (int64_t)(k * cells + phase) * f.logits_plane, 4);
                logit[k][i] = value;
            }
            const uint32_t *counts = f.tint + grid_y / f.stride * f.tint_row + grid_x / f.stride;
            for (int k = 0; k < RAYS; k++) {
                float value;
                memcpy(&value, counts + k * f.tint_plane, 4);
                counts_for[k][i] = value;
            }
        }
        const Vec zero = (Vec){}, one = zero + 1.0f;
        Int known[CANDIDATES];
        const Int missing = (Int)(distance[CENTRE] == 0.0f);
        for (int k = 0; k < RAYS; k++)
            known[k] = (Int)(distance[k] > 0.0f) & (missing | (Int)(distance[k] <= FARTHEST_BESIDE_OWN));
        // the smooth surface, from the measurements themselves
        const Int right = (Int)(offset_x > 0.0f), down = f.offset_y[y] > 0.0f ? ~(Int){} : (Int){};
        auto towards = [&](const Vec *v, Vec &beside, Vec &below, Vec &corner) {
            beside = select(right, v[5], v[3]);
            below = select(down, v[7], v[1]);
            corner = select(down, select(right, v[8], v[6]), select(right, v[2], v[0]));
        };
        Vec beside, below, corner, near_beside, near_below, near_corner;
        Vec in_range[RAYS]; // the distance again, 0 where the measurement is out of range
        for (int k = 0; k < RAYS; k++)
            in_range[k] = select((Int)(depth[k] >= f.minimum) & (Int)(depth[k] <= f.maximum), distance[k], zero);
        towards(depth, beside, below, corner);
        towards(in_range, near_beside, near_below, near_corner);
        const Vec ax = magnitude(offset_x), ay = zero + std::fabs(f.offset_y[y]);
        const Vec bilinear =
            (1.0f - ax) * (1.0f - ay) * depth[CENTRE] + ax * (1.0f - ay) * beside + (1.0f - ax) * ay * below + ax * ay * corner;
        const Int inside = (Int)(in_range[CENTRE] == 1.0f) & (Int)(near_beside == 1.0f) & (Int)(near_below == 1.0f) &
                           (Int)(near_corner == 1.0f);
        Vec total = zero, weights = zero;
        static constexpr int PAIRS[4][3] = {{1, 7, 1}, {3, 5, 1}, {0, 8, 2}, {2, 6, 2}};
        for (const auto &pair : PAIRS) {
            const Vec here = in_range[pair[0]], there = in_range[pair[1]], length = larger(here + there, one);
            const Vec value = (depth[pair[0]] * there + depth[pair[1]] * here) / length;
            const Int alike = (Int)(magnitude(depth[pair[0]] - depth[pair[1]]) <=
                                    SMOOTH_STEP * smaller(depth[pair[0]], depth[pair[1]]));
            const Vec weight = select((Int)(here > 0.0f) & (Int)(there > 0.0f) & alike, one / (length * length * (float)pair[2]), zero);
            total += value * weight;
            weights += weight;
        }
        const Int crossed = missing & (Int)(weights > 0.0f);
        depth[RAYS] = select(crossed, total / larger(weights, zero + 1e-9f), bilinear);
        const Vec least = smaller(smaller(depth[CENTRE], beside), smaller(below, corner));
        const Vec farthest = larger(larger(depth[CENTRE], beside), larger(below, corner));
        const Int steep = f.mean ? (Int){} : (Int)(farthest - least > SMOOTH_STEP * least);
        known[RAYS] = crossed | (inside & ~steep);
        for (int k = 0; k < RAYS; k++)
            logit[k] -= exponential(smaller(larger(counts_for[k], zero + TINT_LOW), zero + TINT_HIGH)) * (TINT * tint[k]);
        // planes, priors and shares
        Vec share[CANDIDATES], highest = zero - 1e30f;
        for (int k = 0; k < CANDIDATES; k++) highest = select(known[k], larger(highest, logit[k]), highest);
        Vec sum = zero;
        Int any = {};
        for (int k = 0; k < CANDIDATES; k++) {
            Vec square = zero + SMOOTH_DISTANCE2;
            if (k < RAYS) {
                const Vec away = k == CENTRE ? zero : distance[k];
                const Vec far_x = offset_x - (float)(k % 3 - 1) * away, far_y = f.offset_y[y] - (float)(k / 3 - 1) * away;
                square = far_y * far_y + far_x * far_x;
                const Vec stretch = larger(square / (LONGEST_CONTINUATION * LONGEST_CONTINUATION), one);
                depth[k] += (slope_x[k] * far_x + slope_y[k] * far_y) * (one / square_root(stretch));
            }
            const Vec prior = one / ((one + square) * (one + square));
            share[k] = select(known[k], exponential(logit[k] - highest) * prior * prior, zero);
            sum += share[k];
            any |= known[k];
        }
        const Vec scale = one / larger(sum, zero + 1e-37f);
        for (int k = 0; k < CANDIDATES; k++) share[k] *= scale;
        const Vec width = exponential(smaller(larger(logit[CANDIDATES], zero + WIDTH_LOW), zero + WIDTH_HIGH)) * WIDTH;
        const Vec tolerance = larger(SAME_SURFACE_WIDTHS * width, zero + SAME_SURFACE);
        Vec best = zero, centre = zero, reach = zero;
        for (int k = 0; k < CANDIDATES; k++) {
            const Vec near = tolerance * depth[k];
            Vec mass = zero;
            for (int j = 0; j < CANDIDATES; j++) mass += select((Int)(magnitude(depth[j] - depth[k]) < near), share[j], zero);
            const Int better = known[k] & (Int)(mass > best);
            best = select(better, mass, best);
            centre = select(better, depth[k], centre);
            reach = select(better, near, reach);
        }
        auto in_limits = [&](Vec v) { return (Int)(v >= f.minimum) & (Int)(v <= f.maximum); };
        const Int centre_in_range = in_limits(centre);
        Vec mass = zero, value = zero, spread = zero, most = zero, other = zero;
        for (int k = 0; k < CANDIDATES; k++) {
            const Int near = (Int)(magnitude(depth[k] - centre) < reach);
            const Int counts = f.mean ? (centre_in_range & in_limits(depth[k])) | (~centre_in_range & near) : near;
            const Vec on = select(counts, share[k], zero);
            mass += on;
            value += on * depth[k];
            const Int leads = ~near & (Int)(share[k] > most);
            most = select(leads, share[k], most);
            other = select(leads, depth[k], other);
        }
        const Vec norm = one / larger(mass, zero + 1e-12f);
        value *= norm;
        Vec rival = zero;
        for (int k = 0; k < CANDIDATES; k++) {
            spread += share[k] * (depth[k] - value) * (depth[k] - value);
            const Int with = (Int)(magnitude(depth[k] - other) < tolerance * other);
            rival += select(with & (Int)(magnitude(depth[k] - centre) >= reach), share[k], zero);
        }
        const Vec sigma = square_root(SPREAD_VARIANCE * spread + WIDTH_VARIANCE * (width * value) * (width * value));
        const Vec nothing = zero + std::numeric_limits<float>::quiet_NaN();
        const Vec out_depth = select(any, value, nothing), out_sigma = select(any, sigma, nothing);
        const Int own = known[CENTRE] & (Int)(magnitude(depth[CENTRE] - value) < reach);
        const int64_t to = (int64_t)y * f.out_width + x0;
        memcpy(f.depth + to, &out_depth, 4 * count);
        memcpy(f.sigma + to, &out_sigma, 4 * count);
        memcpy(f.probability + to, &best, 4 * count);
        memcpy(f.rival + to, &rival, 4 * count);
        for (int i = 0; i < count; i++) f.own[to + i] = own[i] != 0;
    }
}

// The nearest measurement along one direction, passed on from pixel to pixel.
static void cast(const float *here, float *rays, int height, int width, int reach, int number) {
    const int64_t plane = (int64_t)height * width, field = RAYS * plane;
    float *ray = rays + number * plane;
    const int dy = number / 3 - 1, dx = number % 3 - 1;
    if (number == CENTRE) {
        for (int i = 0; i < FIELDS; i++) memcpy(ray + i * field, here + i * plane, 4 * plane);
        return;
    }
    for (int i = 0; i < height; i++) {
        const int y = dy <= 0 ? i : height - 1 - i;
        for (int j = 0; j < width; j++) {
            const int x = dx <= 0 ? j : width - 1 - j;
            const int64_t at = (int64_t)y * width + x, next = at + (int64_t)dy * width + dx;
            const bool exists = y + dy >= 0 && y + dy < height && x + dx >= 0 && x + dx < width;
            float distance = 0.0f;
            const float *from = here + next;
            int64_t step = plane;
            if (exists && here[3 * plane + next] > 0.0f) {
                distance = 1.0f;
            } else if (exists && ray[3 * field + next] > 0.0f && ray[3 * field + next] < (float)reach) {
                distance = ray[3 * field + next] + 1.0f;
                from = ray + next;
                step = field;
            }
            for (int k = 0; k < FIELDS; k++) ray[k * field + at] = distance > 0.0f ? from[k * step] : 0.0f;
            ray[3 * field + at] = distance;
        }
    }
}

static void slopes_row(const float *depth, const uint8_t *valid, const float *colour, float *here, int height, int width, int y) {
    const int64_t plane = (int64_t)height * width;
    auto along = [&](int64_t at, bool before, bool after, int64_t step) {
        const float ahead = after && valid[at + step] ? depth[at + step] - depth[at] : 0.0f;
        const float behind = before && valid[at - step] ? depth[at] - depth[at - step] : 0.0f;
        const float largest = LARGEST_SLOPE * depth[at];
        return std::min(std::max(minmod(ahead, behind), -largest), largest);
    };
    for (int x = 0; x < width; x++) {
        const int64_t at = (int64_t)y * width + x;
        const bool seen = valid[at];
        here[at] = seen ? depth[at] : 0.0f;
        here[plane + at] = seen ? along(at, x > 0, x + 1 < width, 1) : 0.0f;
        here[2 * plane + at] = seen ? along(at, y > 0, y + 1 < height, width) : 0.0f;
        here[3 * plane + at] = seen ? 1.0f : 0.0f;
        for (int band = 0; band < 3; band++) here[(4 + band) * plane + at] = seen ? colour[band * plane + at] : 0.0f;
    }
}

extern "C" {

int pagnet_choice_bytes() { return (int)sizeof(Frame); }

void pagnet_choose(const Frame *frame, int threads) {
    each_row(frame->out_height, threads, [&](int y) { choose_row(*frame, y); });
}

// depth, valid [height, width], colour [3][height][width]; here [7][height][width] is scratch; rays [7][9][height][width]
// is written.
void pagnet_rays(const float *depth, const uint8_t *valid, const float *colour, float *here, float *rays, int height,
                 int width, int reach, int threads) {
    each_row(height, threads, [&](int y) { slopes_row(depth, valid, colour, here, height, width, y); });
    each_row(RAYS, threads, [&](int number) { cast(here, rays, height, width, reach, number); });
}
}

// The choice among measured surfaces on a CPU: what `pagnet_ros/model/surfaces.py` defines, in the same order of sums.
//
// One call a frame, after `pagnet_rays` and the network. Pixels lie along the lanes of a vector; rows are shared among
// threads made for the call.

#include <limits>

#include "lanes.hpp"

static constexpr int RAYS = 9, CENTRE = 4, CANDIDATES = 10;
static constexpr float LONGEST_CONTINUATION = 2.2f, SMOOTH_DISTANCE2 = 0.3f,
                       SMOOTH_STEP = 0.1f, FARTHEST_BESIDE_OWN = 2.0f;
static constexpr float WIDTH = 0.004f, WIDTH_LOW = -2.5f, WIDTH_HIGH = 3.0f;
static constexpr float TINT = 10.0f, TINT_LOW = -3.0f, TINT_HIGH = 2.5f;
static constexpr float SAME_SURFACE = 0.01f, SAME_SURFACE_WIDTHS = 2.0f;
static constexpr float SPREAD_VARIANCE = 0.85f, WIDTH_VARIANCE = 1.6f;

// One frame's choice; all sizes in pixels, all pointers to dense memory unless a step is given.
struct Frame {
    const float *rays;                // [7][9][height][width]: depth, slope_x, slope_y, distance, red, green, blue
    int32_t height, width;            // of the measured depth
    const int64_t *rows;              // [out_height]: the measured row of each output row
    const int32_t *columns;           // [out_width]: the measured column, and so on
    const float *offset_y, *offset_x; // and where in it
    int32_t out_height, out_width;
    const float *logits;              // the head's planes, in the order (channel, i, j) of a pixel shuffle by `stride`
    int64_t logits_row, logits_plane; // cells from one row, one plane to the next
    int32_t stride, fine_width, mean; // of the planes, cells of a row
    float minimum, maximum;           // depth in range; a smooth surface passes through no measurement beyond
    const int64_t *grid_rows;         // [out_height]: the place among the shuffled logits
    const int32_t *cells, *phases;    // [out_width]: the place by `stride`, and what is left of it
    const float *tint;                // the planes of what colour counts, nine of them, by `stride` coarser
    int64_t tint_row, tint_plane;
    const void *rgb;                  // [out_height, out_width, 3] of any steps, in elements
    int64_t rgb_x, rgb_y, rgb_c;
    int32_t eight_bit;                // 0 to 255, else -0.5 to 0.5
    float *depth, *sigma, *probability, *rival; // [out_height, out_width]
    uint8_t *own;
};

// Values of a line at the places of the output pixels x0 to x0 + LANES; the last of `count` stands for those after it.
class Pick {
  public:
    // At most the first `width` values of a line are read.
    Pick(const int32_t *places, int x0, int count, int width) {
        for (int i = 0; i < LANES; i++) index[i] = places[x0 + std::min(i, count - 1)];
        first = std::max(0, std::min(index[0], width - LANES));
        near = width >= LANES && index[LANES - 1] - first < LANES && index[0] >= first;
        if (near) index -= first;
    }
    Vec operator()(const float *line) const {
        if (near) return permuted(load(line + first, LANES), index);
        Vec v;
        for (int i = 0; i < LANES; i++) v[i] = line[index[i]];
        return v;
    }

  private:
    Int index;
    int first;
    bool near;
};

static inline Vec colour_at(const Frame &f, int y, int x0, int count, int band) {
    Vec v;
    int64_t at[LANES];
    for (int i = 0; i < LANES; i++) at[i] = y * f.rgb_y + (x0 + std::min(i, count - 1)) * f.rgb_x + band * f.rgb_c;
    if (f.eight_bit) {
        for (int i = 0; i < LANES; i++) v[i] = ((const uint8_t *)f.rgb)[at[i]];
        return v / 255.0f - 0.5f;
    }
    for (int i = 0; i < LANES; i++) v[i] = ((const float *)f.rgb)[at[i]];
    return v;
}

static void choose_row(const Frame &f, int y) {
    const int64_t field = (int64_t)RAYS * f.height * f.width, plane = (int64_t)f.height * f.width;
    const float *row = f.rays + f.rows[y] * f.width;
    const int64_t grid_y = f.grid_rows[y];
    const float *head = f.logits + grid_y / f.stride * f.logits_row + grid_y % f.stride * f.stride * f.logits_plane;
    const float *counts = f.tint + grid_y / f.stride * f.tint_row;
    for (int x0 = 0; x0 < f.out_width; x0 += LANES) {
        const int count = std::min(LANES, f.out_width - x0);
        const Pick measured(f.columns, x0, count, f.width), cell(f.cells, x0, count, f.fine_width);
        Vec depth[CANDIDATES], distance[RAYS], slope_x[RAYS], slope_y[RAYS], logit[CANDIDATES + 1], offset_x;
        Vec counts_for[RAYS], tint[RAYS];
        Int phase;
        for (int i = 0; i < LANES; i++) phase[i] = f.phases[x0 + std::min(i, count - 1)];
        for (int i = 0; i < LANES; i++) offset_x[i] = f.offset_x[x0 + std::min(i, count - 1)];
        const Vec red = colour_at(f, y, x0, count, 0), green = colour_at(f, y, x0, count, 1),
                  blue = colour_at(f, y, x0, count, 2);
        for (int k = 0; k < RAYS; k++) {
            auto at = [&](int what) { return measured(row + what * field + k * plane); };
            depth[k] = at(0);
            slope_x[k] = at(1);
            slope_y[k] = at(2);
            distance[k] = at(3);
            tint[k] = (magnitude(at(4) - red) + magnitude(at(5) - green) + magnitude(at(6) - blue)) / 3.0f;
            counts_for[k] = cell(counts + k * f.tint_plane);
        }
        for (int k = 0; k <= CANDIDATES; k++) {
            const float *planes = head + (int64_t)k * f.stride * f.stride * f.logits_plane;
            logit[k] = cell(planes);
            for (int p = 1; p < f.stride; p++) logit[k] = select((Int)(phase == p), cell(planes + p * f.logits_plane), logit[k]);
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

extern "C" {

int pagnet_choice_bytes() { return (int)sizeof(Frame); }

void pagnet_choose(const Frame *frame, int threads) {
    each_row(frame->out_height, threads, [&](int y) { choose_row(*frame, y); });
}
}

// What lies around every measured pixel, on a CPU: `nearest_measured` and `entering_features` of
// `pagnet_ros/model/surfaces.py`.
//
// One call a frame. Measurements and rays are planes of [height, width], seven of each: depth, slope_x, slope_y,
// distance, red, green, blue; all seven are 0 where nothing is measured, or within reach.

#include "lanes.hpp"

static constexpr int RAYS = 9, CENTRE = 4, FIELDS = 7, DISTANCE = 3;
static constexpr float LARGEST_SLOPE = 0.03f, STEP_SHARE = 0.02f, STEP_FLOOR_M = 0.002f;

static inline float minmod(float a, float b) {
    if (!(a * b > 0.0f)) return 0.0f;
    return std::fabs(a) < std::fabs(b) ? a : b;
}

// One frame; all sizes in pixels, all pointers to dense memory unless a step is given.
struct Measured {
    const float *depth;
    const uint8_t *valid;
    const float *colour;  // [3][height][width]
    int32_t height, width, reach;
    float *here;          // [7][height][width]
    float *rays;          // [7][9][height][width]
    float *entering;      // the network's first map, [rows][18 * gather * gather][columns] of these steps
    int64_t entering_row, entering_plane;
    int32_t entering_rows, entering_columns, gather;
};

static void measure_row(const Measured &m, int y) {
    const int64_t plane = (int64_t)m.height * m.width;
    auto along = [&](int64_t at, bool before, bool after, int64_t step) {
        const float ahead = after && m.valid[at + step] ? m.depth[at + step] - m.depth[at] : 0.0f;
        const float behind = before && m.valid[at - step] ? m.depth[at] - m.depth[at - step] : 0.0f;
        const float largest = LARGEST_SLOPE * m.depth[at];
        return std::min(std::max(minmod(ahead, behind), -largest), largest);
    };
    for (int x = 0; x < m.width; x++) {
        const int64_t at = (int64_t)y * m.width + x;
        const bool seen = m.valid[at];
        m.here[at] = seen ? m.depth[at] : 0.0f;
        m.here[plane + at] = seen ? along(at, x > 0, x + 1 < m.width, 1) : 0.0f;
        m.here[2 * plane + at] = seen ? along(at, y > 0, y + 1 < m.height, m.width) : 0.0f;
        m.here[DISTANCE * plane + at] = seen ? 1.0f : 0.0f;
        for (int band = 0; band < 3; band++) m.here[(4 + band) * plane + at] = seen ? m.colour[band * plane + at] : 0.0f;
    }
}

// The nearest measurement along one direction: the neighbour's own, or where it has none what its ray found.
static void cast(const Measured &m, int number) {
    const int64_t plane = (int64_t)m.height * m.width, field = RAYS * plane;
    float *ray = m.rays + number * plane, *distance = ray + DISTANCE * field;
    const int dy = number / 3 - 1, dx = number % 3 - 1, left = dx < 0, right = dx > 0;
    for (int i = 0; i < m.height; i++) {
        const int y = dy <= 0 ? i : m.height - 1 - i;
        const int64_t at = (int64_t)y * m.width, next = at + (int64_t)dy * m.width + dx;
        const bool exists = y + dy >= 0 && y + dy < m.height;
        for (int k = 0; k < FIELDS; k++) {
            float *row = ray + k * field + at;
            if (left || !exists) row[0] = 0.0f;
            if (right || !exists) row[m.width - 1] = 0.0f;
            if (exists) memcpy(row + left, m.here + k * plane + next + left, 4 * (size_t)(m.width - left - right));
            else memset(row, 0, 4 * (size_t)m.width);
        }
        if (number == CENTRE || !exists) continue;
        for (int j = left + right; j < m.width; j++) {
            const int x = dx <= 0 ? j : m.width - 1 - j;
            if (distance[at + x] > 0.0f) continue;
            const float beyond = distance[next + x];
            if (!(beyond > 0.0f && beyond < (float)m.reach)) continue;
            for (int k = 0; k < FIELDS; k++) ray[k * field + at + x] = ray[k * field + next + x];
            distance[at + x] = beyond + 1.0f;
        }
    }
}

// What the network sees of depth, into its first map: pixels that share a place of the features lie in planes of their own.
static void enter_row(const Measured &m, int row) {
    const int64_t plane = (int64_t)m.height * m.width, field = RAYS * plane;
    const int gather = m.gather, all = gather * gather, columns = m.entering_columns * gather;
    const float *rays = m.rays + (int64_t)std::min(row, m.height - 1) * m.width;
    float *into = m.entering + row / gather * m.entering_row + row % gather * gather * m.entering_plane;
    const Vec zero = (Vec){}, one = zero + 1.0f;
    auto place = [&](int x) { return x % gather * m.entering_plane + x / gather; };
    for (int x0 = 0; x0 < m.width; x0 += LANES) {
        const int count = std::min(LANES, m.width - x0);
        auto at = [&](int what, int k) { return load(rays + what * field + k * plane + x0, count); };
        const Vec own = at(0, CENTRE);
        Vec nearest = zero, least = zero + 1e6f;
        for (int k = 0; k < RAYS; k++) {
            const Vec distance = at(DISTANCE, k);
            const Int nearer = (Int)(distance > 0.0f) & (Int)(distance < least);
            if (k == CENTRE) continue;
            nearest = select(nearer, at(0, k), nearest);
            least = select(nearer, distance, least);
        }
        const Int measured = (Int)(at(DISTANCE, CENTRE) > 0.0f);
        Vec reference = select(measured, own, nearest);
        reference = select((Int)(reference > 0.0f), reference, one);
        const Vec unit = one / (STEP_SHARE * reference + STEP_FLOOR_M);
        int64_t places[LANES];
        for (int i = 0; i < count; i++) places[i] = place(x0 + i);
        auto leave = [&](int channel, Vec value) {
            float *to = into + (int64_t)channel * all * m.entering_plane;
            if (gather == 1) memcpy(to + x0, &value, 4 * count);
            else for (int i = 0; i < count; i++) to[places[i]] = value[i];
        };
        for (int k = 0, channel = 0; k < RAYS; k++) {
            if (k == CENTRE) continue;
            const Vec distance = at(DISTANCE, k), step = (at(0, k) - reference) * unit;
            const Int found = (Int)(distance > 0.0f);
            const Vec size = logarithm(one + magnitude(step));
            leave(channel, select(found, select((Int)(step < 0.0f), -size, size), zero));
            leave(8 + channel++, select(found, one / larger(distance, one), zero));
        }
        leave(16, select(measured, one, zero));
        leave(17, logarithm(reference));
    }
    for (int x = m.width; x < columns; x++)
        for (int channel = 0; channel < 18; channel++) {
            float *to = into + (int64_t)channel * all * m.entering_plane;
            to[place(x)] = to[place(m.width - 1)];
        }
}

extern "C" {

int pagnet_measured_bytes() { return (int)sizeof(Measured); }

// Fills here, rays and entering.
void pagnet_rays(const Measured *measured, int threads) {
    const Measured &m = *measured;
    each_row(m.height, threads, [&](int y) { measure_row(m, y); });
    each_row(RAYS, threads, [&](int number) { cast(m, number); });
    each_row(m.entering_rows * m.gather, threads, [&](int row) { enter_row(m, row); });
}
}

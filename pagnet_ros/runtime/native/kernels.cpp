// PAG-Net on a CPU: convolutions between planes that stay where they are. No dependencies; called through ctypes.
//
// A feature map is a row of planes per image row: [H][planes][W + margins] cells of four bytes. A cell is one float, or
// a pair of channels in bfloat16. Pixels lie along the lanes of a vector, so any number of output channels runs without
// padding, a concatenation is a list of planes, and the zero margins around every map make borders ordinary pixels.
//
// A frame is one call: a list of operations, whose rows the threads claim one after the other, with a barrier between
// operations. Threads are made for the call and end with it.

#include "lanes.hpp"

#define ACCUMULATORS (LANES == 8 ? 12 : 24)
#define MAX_BLOCK (ACCUMULATORS / 2)

typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));

// One map, or the first of some planes of one. `at` is the cell of row 0, column 0, margins outside.
struct Planes {
    uint32_t *at;
    int64_t row;    // cells from one image row to the next
    int64_t plane;  // cells from one plane to the next
};

enum Kind : int32_t { CONV = 0, INTERLEAVE = 1, SPLIT = 2, COLOUR = 3, ATTENTION = 4, SPREAD = 5 };

struct Op {
    int32_t kind;
    int32_t height, width;       // of what is written, except INTERLEAVE and SPREAD: of what is read
    int32_t sources;             // CONV: planes read
    int32_t channels;            // CONV: output channels; else planes written
    int32_t kh, kw;              // CONV: taps; ATTENTION: kw; INTERLEAVE, SPLIT, COLOUR, SPREAD: kw = factor
    int32_t pairs_in, pairs_out; // whether cells hold two bfloat16 channels
    int32_t relu, eight_bit, add;
    float offset;
    const Planes *source;        // CONV: one entry per plane
    const void *weights;         // CONV: [block][ky][plane][kx][output] cells; ATTENTION: [height] floats
    const float *bias;           // CONV: [channels]
    Planes target, residual;     // residual.at may be null
    const float *map;            // CONV: [height, width] factors after the ReLU, or null
    int64_t step_x, step_y, step_c; // COLOUR: elements from one pixel, row, channel to the next
};

struct Float {
    static inline Vec multiply_add(Vec sum, Bits values, uint32_t weight) {
        float w;
        memcpy(&w, &weight, 4);
        return sum + (Vec)values * w;
    }
};

#if defined(__AVX512BF16__)
struct Pair {
    static inline Vec multiply_add(Vec sum, Bits values, uint32_t weight) {
        return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)values, (__m512bh)_mm512_set1_epi32((int)weight));
    }
};
#endif

static inline Bits load(const uint32_t *at) {
    Bits v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline void store(uint32_t *at, Bits v, int count) {
    if (count >= LANES) {
        memcpy(at, &v, sizeof v);
    } else if (count > 0) {
        memcpy(at, &v, 4 * count);
    }
}

// Two floats -> one cell of two bfloat16, rounded to nearest even. What is not a number may become infinite.
static inline Bits to_pairs(Vec even, Vec odd) {
    Bits a = (Bits)even, b = (Bits)odd;
    a += 0x7fffu + ((a >> 16) & 1u);
    b += 0x7fffu + ((b >> 16) & 1u);
    return (a >> 16) | (b & 0xffff0000u);
}

static inline Vec even_of(Bits pair) { return (Vec)(pair << 16); }
static inline Vec odd_of(Bits pair) { return (Vec)(pair & 0xffff0000u); }

static inline Vec positive(Vec v) {
    Bits keep = (Bits)(v > 0.0f);
    return (Vec)((Bits)v & keep);
}

static constexpr int vectors(int block) { return ACCUMULATORS / block < 8 ? ACCUMULATORS / block : 8; }

// `N` output channels from `first` on, of one image row.
template <class Arithmetic, int N> static void conv_row(const Op &op, int y, int first, const uint32_t *weights) {
    constexpr int V = vectors(N);
    const int up = op.kh / 2, left = op.kw / 2;
    for (int x0 = 0; x0 < op.width; x0 += V * LANES) {
        Vec sum[N][V];
        for (int n = 0; n < N; n++)
            for (int v = 0; v < V; v++) sum[n][v] = (Vec){} + op.bias[first + n];
        const uint32_t *w = weights;
        for (int ky = 0; ky < op.kh; ky++) {
            for (int p = 0; p < op.sources; p++) {
                const Planes &plane = op.source[p];
                const uint32_t *at = plane.at + (y + ky - up) * plane.row + x0 - left;
                // fetch what the next pixels need, and once per row of outputs the row that comes into reach next
#pragma GCC unroll 8
                for (int v = 0; v < V; v++) __builtin_prefetch(at + (V + v + 1) * LANES);
                if (first == 0 && ky == op.kh - 1)
                    for (int v = 0; v < V; v++) __builtin_prefetch(at + plane.row + (v + 1) * LANES, 0, 2);
                for (int kx = 0; kx < op.kw; kx++, w += N) {
                    Bits values[V];
#pragma GCC unroll 8
                    for (int v = 0; v < V; v++) values[v] = load(at + kx + v * LANES);
#pragma GCC unroll 12
                    for (int n = 0; n < N; n++)
#pragma GCC unroll 8
                        for (int v = 0; v < V; v++) sum[n][v] = Arithmetic::multiply_add(sum[n][v], values[v], w[n]);
                }
            }
        }
        const int64_t here = y * op.target.row + x0, there = y * op.residual.row + x0;
        for (int v = 0; v < V; v++) {
            const int x = v * LANES, count = op.width - x0 - x;
            if (count <= 0) break;
            Vec factor = (Vec){} + 1.0f;
            if (op.map) memcpy(&factor, op.map + (int64_t)y * op.width + x0 + x, 4 * (count < LANES ? count : LANES));
            Vec value[N + 1];
            value[N] = (Vec){};
            for (int n = 0; n < N; n++) {
                value[n] = op.relu ? positive(sum[n][v]) : sum[n][v];
                if (op.map) value[n] *= factor;
            }
            if (op.pairs_out) {
                for (int n = 0; n < N; n += 2) {
                    const int64_t plane = (first + n) / 2;
                    if (op.residual.at) {
                        Bits old = load(op.residual.at + there + plane * op.residual.plane + x);
                        value[n] += even_of(old);
                        value[n + 1] += odd_of(old);
                    }
                    store(op.target.at + here + plane * op.target.plane + x, to_pairs(value[n], value[n + 1]), count);
                }
            } else {
                for (int n = 0; n < N; n++) {
                    const int64_t plane = first + n;
                    if (op.residual.at) value[n] += (Vec)load(op.residual.at + there + plane * op.residual.plane + x);
                    store(op.target.at + here + plane * op.target.plane + x, (Bits)value[n], count);
                }
            }
        }
    }
}

// Sizes of the blocks that output channels run in: as equal as pairs of channels allow. Weights are packed so.
static int block_size(int channels, int done) {
    const int left = channels - done, blocks = (left + MAX_BLOCK - 1) / MAX_BLOCK;
    const int even = ((left + blocks - 1) / blocks + 1) / 2 * 2;
    return even < left ? even : left;
}

template <class Arithmetic> static void conv(const Op &op, int y) {
    const uint32_t *weights = (const uint32_t *)op.weights;
    for (int done = 0; done < op.channels;) {
        const int n = block_size(op.channels, done);
        switch (n) {
#define CASE(N) \
    case N: conv_row<Arithmetic, N>(op, y, done, weights); break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MAX_BLOCK == 12
            CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#undef CASE
        }
        weights += (int64_t)n * op.sources * op.kh * op.kw;
        done += n;
    }
}

// Planes in the order (i, j, plane) -> maps of `f` times the size: pixel shuffle.
static void interleave(const Op &op, int y) {
    const int f = op.kw;
    for (int i = 0; i < f; i++) {
        for (int c = 0; c < op.channels; c++) {
            uint32_t *to = op.target.at + (int64_t)(y * f + i) * op.target.row + c * op.target.plane;
            for (int j = 0; j < f; j++) {
                const Planes &from = op.source[(i * f + j) * op.channels + c];
                const uint32_t *at = from.at + y * from.row;
                for (int x = 0; x < op.width; x++) to[x * f + j] = at[x];
            }
        }
    }
}

// Maps -> planes in the order (i, j, plane) of 1/f the size: a convolution of kernel f and stride f is then 1x1.
static void split(const Op &op, int y) {
    const int f = op.kw, planes = op.channels / (f * f);
    for (int c = 0; c < planes; c++) {
        for (int i = 0; i < f; i++) {
            for (int j = 0; j < f; j++) {
                const uint32_t *at = op.source[c].at + (int64_t)(y * f + i) * op.source[c].row + j;
                uint32_t *to = op.target.at + y * op.target.row + ((i * f + j) * planes + c) * op.target.plane;
                for (int x = 0; x < op.width; x++) to[x] = at[x * f];
            }
        }
    }
}

static inline float colour_at(const Op &op, int64_t index) {
    if (op.eight_bit) return ((const uint8_t *)op.weights)[index] / 255.0f - op.offset;
    return ((const float *)op.weights)[index];
}

// A colour image, any strides -> its channels unshuffled by f: (colour, i, j), as torch.pixel_unshuffle orders them.
static void colour(const Op &op, int y) {
    const int f = op.kw, channels = 3 * f * f;
    for (int c = 0; c < (op.pairs_out ? (channels + 1) / 2 : channels); c++) {
        uint32_t *to = op.target.at + y * op.target.row + c * op.target.plane;
        int64_t base[2];
        const int count = op.pairs_out ? 2 : 1;
        for (int k = 0; k < count; k++) {
            const int channel = c * count + k, i = channel / f % f, j = channel % f;
            base[k] = channel < channels ? channel / (f * f) * op.step_c + (y * f + i) * op.step_y + j * op.step_x : -1;
        }
        for (int x = 0; x < op.width; x++) {
            const int64_t along = (int64_t)x * f * op.step_x;
            uint32_t cell[2] = {0, 0};
            for (int k = 0; k < count; k++) {
                const float value = base[k] < 0 ? 0.0f : colour_at(op, base[k] + along);
                memcpy(&cell[k], &value, 4);
            }
            if (op.pairs_out) {
                for (int k = 0; k < 2; k++) cell[k] += 0x7fffu + ((cell[k] >> 16) & 1u);
                cell[0] = (cell[0] >> 16) | (cell[1] & 0xffff0000u);
            }
            to[x] = cell[0];
        }
    }
}

// Sums one float plane per horizontal tap, adds the row's own bias -> sigmoid, [height, width] floats.
static void attention(const Op &op, int y) {
    float *to = (float *)op.target.at + (int64_t)y * op.width;
    const float bias = ((const float *)op.weights)[y];
    for (int x = 0; x < op.width; x++) to[x] = bias;
    for (int k = 0; k < op.kw; k++) {
        const float *at = (const float *)(op.source[k].at + y * op.source[k].row) + k - op.kw / 2;
        for (int x = 0; x < op.width; x++) to[x] += at[x];
    }
    for (int x = 0; x < op.width; x++) to[x] = 1.0f / (1.0f + expf(-to[x]));
}

// Float planes (i, j) -> one dense image of f times the size, written or added to.
static void spread(const Op &op, int y) {
    const int f = op.kw;
    for (int i = 0; i < f; i++) {
        float *to = (float *)op.target.at + (int64_t)(y * f + i) * op.target.row;
        for (int j = 0; j < f; j++) {
            const float *at = (const float *)(op.source[i * f + j].at + y * op.source[i * f + j].row);
            for (int x = 0; x < op.width; x++) to[x * f + j] = op.add ? to[x * f + j] + at[x] : at[x];
        }
    }
}

static void run_row(const Op &op, int y) {
    switch (op.kind) {
    case CONV:
#if defined(__AVX512BF16__)
        if (op.pairs_in) return conv<Pair>(op, y);
#endif
        return conv<Float>(op, y);
    case INTERLEAVE: return interleave(op, y);
    case SPLIT: return split(op, y);
    case COLOUR: return colour(op, y);
    case ATTENTION: return attention(op, y);
    case SPREAD: return spread(op, y);
    }
}

static inline void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Who arrives last opens it for all. Waits a little awake (most waits are short), then asleep.
struct Barrier {
    int threads = 1;
    std::atomic<int> arrived{0}, round{0};
    void wait() {
        const int mine = round.load();
        if (arrived.fetch_add(1) + 1 == threads) {
            arrived.store(0);
            round.fetch_add(1);
            round.notify_all();
            return;
        }
        for (int i = 0; i < 2000; i++) {
            if (round.load(std::memory_order_acquire) != mine) return;
            pause_briefly();
        }
        while (round.load() == mine) round.wait(mine);
    }
};

extern "C" {

int pagnet_op_bytes() { return (int)sizeof(Op); }

int pagnet_has_bf16() {
#if defined(__AVX512BF16__)
    return 1;
#else
    return 0;
#endif
}

int pagnet_block_size(int channels, int done) { return block_size(channels, done); }

void pagnet_run(const Op *ops, int count, int threads) {
    constexpr int ROWS = 4; // claimed at a time
    std::vector<std::atomic<int>> next(count);
    std::atomic<bool> go{threads <= 1};
    Barrier barrier;
    auto work = [&] {
        go.wait(false);
        for (int i = 0; i < count; i++) {
            for (int y; (y = next[i].fetch_add(ROWS)) < ops[i].height;)
                for (int end = y + ROWS < ops[i].height ? y + ROWS : ops[i].height; y < end; y++) run_row(ops[i], y);
            barrier.wait();
        }
    };
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < threads; i++) others.emplace_back(work);
    } catch (const std::exception &) {
        // no more threads to be had: those that there are do the work
    }
    barrier.threads = 1 + (int)others.size();
    go.store(true);
    go.notify_all();
    work();
    for (auto &other : others) other.join();
}
}

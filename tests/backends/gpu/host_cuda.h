// What a kernel text needs to be C++ of the host: the words of CUDA, and a grid that runs its threads as fibers.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#define SYMGRAPH_HOST 1
#define DEVICE static inline
#define __global__
#define __launch_bounds__(n)
#define __shared__ static

struct Place { unsigned x, y, z; };
static Place threadIdx, blockIdx, blockDim, gridDim;

static inline float bits_to_float(unsigned b) { float f; memcpy(&f, &b, 4); return f; }
static inline unsigned float_to_bits(float f) { unsigned b; memcpy(&b, &f, 4); return b; }
static inline double bits_to_double(unsigned long long b) { double f; memcpy(&f, &b, 8); return f; }
static inline float half_to_float(unsigned short h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                     : exponent     ? ldexpf((float)(mantissa + 1024), exponent - 25)
                                    : ldexpf((float)mantissa, -24);
  return (h & 0x8000) ? -size : size;
}
static inline unsigned short to_half(double value) {  // to nearest, ties to even; one rounding from either type
  const unsigned short sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(value);
  if (size != size) return (unsigned short)(sign | 0x7e00);
  if (size >= 65520.0) return (unsigned short)(sign | 0x7c00);
  int exponent;
  std::frexp(size, &exponent);
  if (exponent < -13) exponent = -13;  // subnormal numbers have one spacing
  const double spacing = std::ldexp(1.0, exponent - 11);
  const double steps = std::nearbyint(size / spacing);
  const double rounded = steps * spacing;
  if (rounded < std::ldexp(1.0, -14)) return (unsigned short)(sign | (unsigned short)(rounded * 16777216.0));
  std::frexp(rounded, &exponent);
  const unsigned mantissa = (unsigned)std::ldexp(rounded, 11 - exponent) & 1023;
  return (unsigned short)(sign | ((exponent + 14) << 10) | mantissa);
}
static inline unsigned short to_half(float value) { return to_half((double)value); }

// ------------------------------------------------------------------------------------------------- threads, barriers

namespace host {
static const int MOST = 1024, STACK = 64 * 1024;
static ucontext_t scheduler, fibers[MOST];
static char* stacks = nullptr;
static bool done[MOST];
static int current;
static void (*body)();

static void enter() {
  body();
  done[current] = true;
}

static void barrier() { swapcontext(&fibers[current], &scheduler); }

// Run one block. Threads take turns from barrier to barrier; returns false if some ended while others waited.
static bool run_block(int threads) {
  if (!stacks) stacks = (char*)malloc((size_t)MOST * STACK);
  for (int t = 0; t < threads; ++t) {
    done[t] = false;
    getcontext(&fibers[t]);
    fibers[t].uc_stack.ss_sp = stacks + (size_t)t * STACK;
    fibers[t].uc_stack.ss_size = STACK;
    fibers[t].uc_link = &scheduler;
    makecontext(&fibers[t], enter, 0);
  }
  for (;;) {
    int ended = 0;
    for (int t = 0; t < threads; ++t) {
      if (done[t]) { ++ended; continue; }
      current = t;
      threadIdx.x = (unsigned)t;
      swapcontext(&scheduler, &fibers[t]);
      if (done[t]) ++ended;
    }
    if (ended == threads) return true;
    if (ended) return false;
  }
}

static int run_grid(void (*kernel)(), unsigned x, unsigned y, unsigned threads, bool barriers) {
  body = kernel;
  gridDim = {x, y, 1};
  blockDim = {threads, 1, 1};
  threadIdx = {0, 0, 0};
  for (unsigned j = 0; j < y; ++j)
    for (unsigned i = 0; i < x; ++i) {
      blockIdx = {i, j, 0};
      if (barriers) {
        if (!run_block((int)threads)) return 1;
      } else {
        for (unsigned t = 0; t < threads; ++t) { threadIdx.x = t; kernel(); }
      }
    }
  return 0;
}
}  // namespace host

static inline void __syncthreads() { host::barrier(); }

"""What every kernel text begins with: types, loads and stores, and the scalar operations with NumPy's meaning.

The text needs no header, so NVRTC compiles it wherever it is. Half floats are converted by one instruction and
computed in float. Where `SYMGRAPH_HOST` is defined (tests compile the same text as C++), the instructions of the GPU
are replaced by functions of the includer.
"""

from __future__ import annotations

#: Graph element type -> C type of one element in memory.
STORAGE = {
    "float16": "f16", "bfloat16": "b16", "float32": "float", "float64": "double", "bool": "b8",
    "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int", "uint64": "unsigned long long",
}  # fmt: skip

#: Graph element type -> C type in which it is computed.
COMPUTE = {**STORAGE, "float16": "float", "bfloat16": "float", "bool": "bool"}

PRELUDE = r"""
typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
struct f16 { unsigned short bits; };
struct b16 { unsigned short bits; };
struct b8 { unsigned char bits; };

#ifndef SYMGRAPH_HOST
#define DEVICE static __device__ __forceinline__
DEVICE float half_to_float(unsigned short h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h)); return f; }
typedef unsigned short u16;
DEVICE u16 to_half(float f) { u16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
DEVICE u16 to_half(double f) { u16 h; asm("cvt.rn.f16.f64 %0, %1;" : "=h"(h) : "d"(f)); return h; }
DEVICE float bits_to_float(u32 b) { return __uint_as_float(b); }
DEVICE u32 float_to_bits(float f) { return __float_as_uint(f); }
DEVICE double bits_to_double(u64 b) { return __longlong_as_double((i64)b); }
#endif

DEVICE unsigned short to_brain(float f) {  // round to nearest, ties to even
  const u32 b = float_to_bits(f);
  if ((b & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((b >> 16) | 0x40u);
  return (unsigned short)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}
DEVICE float brain_to_float(unsigned short b) { return bits_to_float((u32)b << 16); }
DEVICE float round_f16(float x) { return half_to_float(to_half(x)); }
DEVICE float round_f16(double x) { return half_to_float(to_half(x)); }
DEVICE float round_b16(float x) { return brain_to_float(to_brain(x)); }

template <class T> DEVICE T load(const T* p, i64 k) { return p[k]; }
DEVICE float load(const f16* p, i64 k) { return half_to_float(p[k].bits); }
DEVICE float load(const b16* p, i64 k) { return brain_to_float(p[k].bits); }
DEVICE bool load(const b8* p, i64 k) { return p[k].bits != 0; }
template <class T> DEVICE void store(T* p, i64 k, T v) { p[k] = v; }
DEVICE void store(f16* p, i64 k, float v) { p[k].bits = to_half(v); }
DEVICE void store(b16* p, i64 k, float v) { p[k].bits = to_brain(v); }
DEVICE void store(b8* p, i64 k, bool v) { p[k].bits = v ? 1 : 0; }

// Integer arithmetic wraps around; signed overflow would be undefined in C++, so it is done in unsigned types.
template <class T> struct wrapping { typedef T type; };
template <> struct wrapping<signed char> { typedef u32 type; };
template <> struct wrapping<short> { typedef u32 type; };
template <> struct wrapping<int> { typedef u32 type; };
template <> struct wrapping<i64> { typedef u64 type; };
template <> struct wrapping<unsigned char> { typedef u32 type; };
template <> struct wrapping<unsigned short> { typedef u32 type; };
template <class T> struct is_real { static const bool value = false; };
template <> struct is_real<float> { static const bool value = true; };
template <> struct is_real<double> { static const bool value = true; };
template <class T> DEVICE bool op_is_nan(T x) { return x != x; }
template <class T> DEVICE bool op_is_finite(T x) { return x - x == x - x; }

#define MATH(name) \
  DEVICE float m_##name(float x) { return name##f(x); } \
  DEVICE double m_##name(double x) { return name(x); }
#define MATH2(name) \
  DEVICE float m_##name(float x, float y) { return name##f(x, y); } \
  DEVICE double m_##name(double x, double y) { return name(x, y); }
MATH(exp) MATH(expm1) MATH(log) MATH(log1p) MATH(sqrt) MATH(tanh) MATH(erf) MATH(sin) MATH(cos)
MATH(floor) MATH(ceil) MATH(rint) MATH(fabs) MATH2(fmod) MATH2(pow) MATH2(copysign)

template <class T> DEVICE T op_add(T x, T y) { typedef typename wrapping<T>::type W; return (T)((W)x + (W)y); }
template <class T> DEVICE T op_sub(T x, T y) { typedef typename wrapping<T>::type W; return (T)((W)x - (W)y); }
template <class T> DEVICE T op_mul(T x, T y) { typedef typename wrapping<T>::type W; return (T)((W)x * (W)y); }
template <class T> DEVICE T op_div(T x, T y) { return x / y; }
template <class T> DEVICE T op_neg(T x) { typedef typename wrapping<T>::type W; return (T)(W)(0 - (W)x); }
DEVICE float op_neg(float x) { return -x; }
DEVICE double op_neg(double x) { return -x; }
template <class T> DEVICE T op_square(T x) { return op_mul(x, x); }
template <class T> DEVICE T op_abs(T x) { return x < (T)0 ? op_neg(x) : x; }
DEVICE float op_abs(float x) { return fabsf(x); }
DEVICE double op_abs(double x) { return fabs(x); }
// A NaN in either argument is the result.
template <class T> DEVICE T op_maximum(T x, T y) { return (x > y || x != x) ? x : y; }
template <class T> DEVICE T op_minimum(T x, T y) { return (x < y || x != x) ? x : y; }
template <class T> DEVICE T op_sign(T x) { return x > (T)0 ? (T)1 : (x < (T)0 ? (T)-1 : (x == (T)0 ? (T)0 : x)); }
template <class T> DEVICE T op_relu(T x) { return x <= (T)0 ? (T)0 : x; }
template <class T> DEVICE T op_where(bool c, T x, T y) { return c ? x : y; }
template <class T> DEVICE T op_rsqrt(T x) { return (T)1 / m_sqrt(x); }
template <class T> DEVICE T op_sigmoid(T x) {
  const T e = m_exp(-m_fabs(x));
  return x >= (T)0 ? (T)1 / ((T)1 + e) : e / ((T)1 + e);
}
template <class T> DEVICE T op_softplus(T x) { return op_relu(x) + m_log1p(m_exp(-m_fabs(x))); }

// Division that rounds towards minus infinity, and its remainder; integers divided by zero give zero, as in NumPy.
template <class T> struct divider {
  DEVICE T floored(T x, T y) {
    if (y == 0) return 0;
    if ((T)-1 < (T)0 && y == (T)-1) return op_neg(x);
    const T q = (T)(x / y);
    return (x % y != 0 && ((x < 0) != (y < 0))) ? (T)(q - 1) : q;
  }
  DEVICE T rest(T x, T y) {
    if (y == 0 || ((T)-1 < (T)0 && y == (T)-1)) return 0;
    const T r = (T)(x % y);
    return (r != 0 && ((r < 0) != (y < 0))) ? (T)(r + y) : r;
  }
};
template <class T> struct real_divider {
  DEVICE T rest(T x, T y) {
    const T r = m_fmod(x, y);
    if (y == 0) return r;
    if (r != 0) return ((y < 0) != (r < 0)) ? r + y : r;
    return m_copysign((T)0, y);
  }
  DEVICE T floored(T x, T y) {
    if (y == 0) return x / y;
    const T r = m_fmod(x, y);
    T q = (x - r) / y;
    if (r != 0 && ((y < 0) != (r < 0))) q -= (T)1;
    if (q == 0) return m_copysign((T)0, x / y);
    const T f = m_floor(q);
    return q - f > (T)0.5 ? f + (T)1 : f;
  }
};
template <> struct divider<float> : real_divider<float> {};
template <> struct divider<double> : real_divider<double> {};
template <class T> DEVICE T op_floordiv(T x, T y) { return divider<T>::floored(x, y); }
template <class T> DEVICE T op_mod(T x, T y) { return divider<T>::rest(x, y); }

// Powers of integers: a negative exponent gives the integer part of the reciprocal.
template <class T> DEVICE T op_pow(T x, T y) {
  if (y < (T)0) {
    if (x == (T)1) return (T)1;
    if ((T)-1 < (T)0 && x == (T)-1) return (y & 1) ? (T)-1 : (T)1;
    return (T)0;
  }
  T result = (T)1;
  for (u64 n = (u64)y; n; n >>= 1) {
    if (n & 1) result = op_mul(result, x);
    x = op_mul(x, x);
  }
  return result;
}
DEVICE float op_pow(float x, float y) { return powf(x, y); }
DEVICE double op_pow(double x, double y) { return pow(x, y); }

// From floating-point to integer: towards zero; beyond the range of small types, the low bits of the 64-bit value.
template <class T, class F> DEVICE T to_integer(F x) {
  return ((T)-1 > (T)0 && sizeof(T) == 8 && x >= (F)9223372036854775808.0) ? (T)(u64)x : (T)(i64)x;
}

DEVICE bool op_any(bool x, bool y) { return x || y; }
DEVICE bool op_all(bool x, bool y) { return x && y; }

// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw 2011).
struct words { u32 first, second; };
#define ROUND(r) x0 += x1; x1 = (x1 << r) | (x1 >> (32 - r)); x1 ^= x0;
DEVICE words threefry(u32 k0, u32 k1, u32 c0, u32 c1) {
  const u32 k2 = k0 ^ k1 ^ 0x1BD11BDAu;
  u32 x0 = c0 + k0, x1 = c1 + k1;
  ROUND(13) ROUND(15) ROUND(26) ROUND(6) x0 += k1; x1 += k2 + 1u;
  ROUND(17) ROUND(29) ROUND(16) ROUND(24) x0 += k2; x1 += k0 + 2u;
  ROUND(13) ROUND(15) ROUND(26) ROUND(6) x0 += k0; x1 += k1 + 3u;
  ROUND(17) ROUND(29) ROUND(16) ROUND(24) x0 += k1; x1 += k2 + 4u;
  ROUND(13) ROUND(15) ROUND(26) ROUND(6) x0 += k2; x1 += k0 + 5u;
  const words result = {x0, x1};
  return result;
}
DEVICE float uniform_float(u32 k0, u32 k1, u32 place, u32 step) {
  return (float)(threefry(k0, k1, place, step).first >> 8) * 5.9604644775390625e-08f;
}
DEVICE float uniform_half(u32 k0, u32 k1, u32 place, u32 step, float grid) {  // half open also in a half float
  return floorf(uniform_float(k0, k1, place, step) * grid) * (1.0f / grid);
}
DEVICE double uniform_double(u32 k0, u32 k1, u32 place, u32 step) {
  const words w = threefry(k0, k1, place, step);
  return ((w.first >> 5) * 67108864.0 + (w.second >> 6)) * 1.1102230246251565e-16;
}
DEVICE float normal_float(u32 k0, u32 k1, u32 place, u32 step) {  // Box, Muller 1958
  const words w = threefry(k0, k1, place, step);
  const float radius = ((float)(w.first >> 8) + 1.0f) * 5.9604644775390625e-08f;
  const float angle = (float)(w.second >> 8) * 5.9604644775390625e-08f;
  return sqrtf(-2.0f * logf(radius)) * cosf(6.28318530717958648f * angle);
}
DEVICE double normal_double(u32 k0, u32 k1, u32 place, u32 step) {
  const words w = threefry(k0, k1, place, step);
  const double radius = ((double)w.first + 1.0) * 2.3283064365386963e-10;
  const double angle = (double)w.second * 2.3283064365386963e-10;
  return sqrt(-2.0 * log(radius)) * cos(6.283185307179586477 * angle);
}
"""

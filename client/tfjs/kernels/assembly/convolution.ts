/**
 * @module Convolutions as matrix products: one image's patches become the rows of a matrix (im2col;
 * Chellapilla, Puri and Simard 2006), so that the forward pass is patches x filter, the filter's
 * gradient patches' x dy, and the input's gradient (dy x filter') added back to where the patches
 * came from. Layout NHWC, filters HWIO. Also the gradient of max pooling.
 */
import { gemm } from './gemm';

// @ts-ignore: decorator
@inline
function copyFloats(to: usize, from: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(to + (<usize>i << 2), v128.load(from + (<usize>i << 2)));
  for (; i < count; i++) store<f32>(to + (<usize>i << 2), load<f32>(from + (<usize>i << 2)));
}

// @ts-ignore: decorator
@inline
function zeroFloats(to: usize, count: i32): void {
  memory.fill(to, 0, <usize>count << 2);
}

function patches(
  x: usize, height: i32, width: i32, channels: i32, filterHeight: i32, filterWidth: i32,
  outHeight: i32, outWidth: i32, strideY: i32, strideX: i32, dilationY: i32, dilationX: i32,
  top: i32, left: i32, to: usize,
): void {
  const pixel = <usize>channels << 2;
  for (let oy = 0; oy < outHeight; oy++)
    for (let ox = 0; ox < outWidth; ox++)
      for (let fy = 0; fy < filterHeight; fy++) {
        const y = oy * strideY - top + fy * dilationY;
        if (<u32>y >= <u32>height) {
          zeroFloats(to, filterWidth * channels);
          to += <usize>filterWidth * pixel;
          continue;
        }
        for (let fx = 0; fx < filterWidth; fx++) {
          const at = ox * strideX - left + fx * dilationX;
          if (<u32>at >= <u32>width) zeroFloats(to, channels);
          else copyFloats(to, x + <usize>(y * width + at) * pixel, channels);
          to += pixel;
        }
      }
}

/** The transpose of `patches`: adds every patch back into the image, which must be zero before. */
function scatter(
  x: usize, height: i32, width: i32, channels: i32, filterHeight: i32, filterWidth: i32,
  outHeight: i32, outWidth: i32, strideY: i32, strideX: i32, dilationY: i32, dilationX: i32,
  top: i32, left: i32, from: usize,
): void {
  const pixel = <usize>channels << 2;
  for (let oy = 0; oy < outHeight; oy++)
    for (let ox = 0; ox < outWidth; ox++)
      for (let fy = 0; fy < filterHeight; fy++) {
        const y = oy * strideY - top + fy * dilationY;
        for (let fx = 0; fx < filterWidth; fx++) {
          const at = ox * strideX - left + fx * dilationX;
          if (<u32>y < <u32>height && <u32>at < <u32>width)
            addFloats(x + <usize>(y * width + at) * pixel, from, channels);
          from += pixel;
        }
      }
}

// @ts-ignore: decorator
@inline
function addFloats(to: usize, from: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = to + (<usize>i << 2);
    v128.store(at, f32x4.add(v128.load(at), v128.load(from + (<usize>i << 2))));
  }
  for (; i < count; i++) {
    const at = to + (<usize>i << 2);
    store<f32>(at, load<f32>(at) + load<f32>(from + (<usize>i << 2)));
  }
}

/**
 * y[batch, outHeight, outWidth, outChannels]; `scratch` holds outHeight outWidth filterHeight
 * filterWidth channels floats.
 */
export function conv2d(
  x: usize, filter: usize, y: usize, batch: i32, height: i32, width: i32, channels: i32,
  filterHeight: i32, filterWidth: i32, outHeight: i32, outWidth: i32, outChannels: i32,
  strideY: i32, strideX: i32, dilationY: i32, dilationX: i32, top: i32, left: i32, scratch: usize,
): void {
  const depth = filterHeight * filterWidth * channels;
  for (let i = 0; i < batch; i++) {
    patches(
      x + (<usize>(i * height * width * channels) << 2), height, width, channels, filterHeight, filterWidth,
      outHeight, outWidth, strideY, strideX, dilationY, dilationX, top, left, scratch,
    );
    gemm(
      outHeight * outWidth, outChannels, depth, scratch, false, filter, false,
      y + (<usize>(i * outHeight * outWidth * outChannels) << 2), 1, 0,
    );
  }
}

/** The filter's gradient, summed over the batch. */
export function conv2dFilterGradient(
  x: usize, dy: usize, dFilter: usize, batch: i32, height: i32, width: i32, channels: i32,
  filterHeight: i32, filterWidth: i32, outHeight: i32, outWidth: i32, outChannels: i32,
  strideY: i32, strideX: i32, dilationY: i32, dilationX: i32, top: i32, left: i32, scratch: usize,
): void {
  const depth = filterHeight * filterWidth * channels;
  for (let i = 0; i < batch; i++) {
    patches(
      x + (<usize>(i * height * width * channels) << 2), height, width, channels, filterHeight, filterWidth,
      outHeight, outWidth, strideY, strideX, dilationY, dilationX, top, left, scratch,
    );
    gemm(
      depth, outChannels, outHeight * outWidth, scratch, true,
      dy + (<usize>(i * outHeight * outWidth * outChannels) << 2), false, dFilter, 1, i > 0 ? 1 : 0,
    );
  }
}

/** The input's gradient. */
export function conv2dInputGradient(
  dx: usize, dy: usize, filter: usize, batch: i32, height: i32, width: i32, channels: i32,
  filterHeight: i32, filterWidth: i32, outHeight: i32, outWidth: i32, outChannels: i32,
  strideY: i32, strideX: i32, dilationY: i32, dilationX: i32, top: i32, left: i32, scratch: usize,
): void {
  const depth = filterHeight * filterWidth * channels;
  zeroFloats(dx, batch * height * width * channels);
  for (let i = 0; i < batch; i++) {
    gemm(
      outHeight * outWidth, depth, outChannels,
      dy + (<usize>(i * outHeight * outWidth * outChannels) << 2), false, filter, true, scratch, 1, 0,
    );
    scatter(
      dx + (<usize>(i * height * width * channels) << 2), height, width, channels, filterHeight, filterWidth,
      outHeight, outWidth, strideY, strideX, dilationY, dilationX, top, left, scratch,
    );
  }
}

/** dy goes to the first largest element of each window, as the cpu backend has it. */
export function maxPoolGradient(
  x: usize, dy: usize, dx: usize, batch: i32, height: i32, width: i32, channels: i32,
  filterHeight: i32, filterWidth: i32, outHeight: i32, outWidth: i32,
  strideY: i32, strideX: i32, dilationY: i32, dilationX: i32, top: i32, left: i32,
): void {
  const image = <usize>(height * width * channels) << 2;
  zeroFloats(dx, batch * height * width * channels);
  for (let i = 0; i < batch; i++) {
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let c = 0; c < channels; c++) {
          let best: f32 = -Infinity;
          let where: i32 = -1;
          for (let fy = 0; fy < filterHeight; fy++) {
            const y = oy * strideY - top + fy * dilationY;
            if (<u32>y >= <u32>height) continue;
            for (let fx = 0; fx < filterWidth; fx++) {
              const at = ox * strideX - left + fx * dilationX;
              if (<u32>at >= <u32>width) continue;
              const index = (y * width + at) * channels + c;
              const value = load<f32>(x + (<usize>index << 2));
              if (where < 0 || value > best) {
                best = value;
                where = index;
              }
            }
          }
          if (where >= 0) {
            const at = dx + (<usize>where << 2);
            store<f32>(at, load<f32>(at) + load<f32>(dy));
          }
          dy += 4;
        }
    x += image;
    dx += image;
  }
}

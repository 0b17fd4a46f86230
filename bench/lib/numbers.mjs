/** Medians and percentiles, and how a number is shown. */

export function median(numbers) {
  return percentile(numbers, 50);
}

/** By linear interpolation; NaN of nothing. */
export function percentile(numbers, percent) {
  if (numbers.length === 0) return Number.NaN;
  const sorted = Float64Array.from(numbers).sort();
  const position = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  return below + (above - below) * (position - Math.floor(position));
}

/** Three digits that count: 12,300, 123, 12.3, 1.23, 0.123. */
export function show(number) {
  if (number === undefined || Number.isNaN(number)) return "–";
  if (number === 0) return "0";
  const size = Math.abs(number);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  if (size >= 100) {
    const unit = 10 ** (Math.floor(Math.log10(size)) - 2);
    return (Math.round(number / unit) * unit).toLocaleString("en-US", { maximumFractionDigits: 0 });
  }
  return number.toFixed(Math.min(digits, 4));
}

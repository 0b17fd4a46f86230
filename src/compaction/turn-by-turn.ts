/** `turnByTurn`: a clock for several that work in slices beside each other: only one of them goes on in a turn of the event loop. */
import type { Clock } from "../common/clock.js";

export function turnByTurn(clock: Clock): Clock {
  const waiting: (() => void)[] = [];
  const goOn = (): void => {
    const callback = waiting.shift();
    if (waiting.length > 0) clock.endOfTurn(goOn);
    callback?.();
  };
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, callback, options) => clock.after(ms, callback, options),
    endOfTurn(callback) {
      waiting.push(callback);
      if (waiting.length === 1) clock.endOfTurn(goOn);
    },
  };
}

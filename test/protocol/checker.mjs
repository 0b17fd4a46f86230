// The checker: a breadth-first search over all reachable states, which finds the shortest trace to a violation first,
// and random walks for scenarios that are too large to exhaust.

import { actionsOf } from "./actions.mjs";
import { checkInvariants, Violation } from "./invariants.mjs";
import { cloneState, fingerprint, initialState, isWriter } from "./state.mjs";

/** The world that a scenario is in: that of state.mjs, unless it brings its own. */
const modelOf = ({ model = protocol }) => model;

const settledSteps = ["fenced", "dead", "done", "idle", "closed"];

/** Every writer has ended, or is open with nothing left to do: anything else with no action left is stuck. */
function isSettled(state) {
  return Object.entries(state.processes).every(
    ([name, { step, groups, queue, batch }]) =>
      !isWriter(name) ||
      settledSteps.includes(step) ||
      (step === "open" && !groups.length && !queue.length && !batch),
  );
}

const protocol = {
  initialState,
  cloneState,
  fingerprint,
  actionsOf,
  checkInvariants,
  checkEnd: () => {},
  isSettled,
};

/**
 * The message of the violation that the action leads to, if any. The invariants say something of the state alone, so
 * that a state that was seen before needs no second look.
 */
function violationAfter(config, state, apply, isSeen = () => false) {
  try {
    apply(state);
    if (!isSeen()) modelOf(config).checkInvariants(state, config);
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    throw error;
  }
}

function traceOf(node) {
  const labels = [];
  for (let at = node; at.parent; at = at.parent) labels.unshift(at.label);
  return labels;
}

/** Visits every reachable state, breadth first, until a violation or a bound. */
export function search(config, { statesMax, msMax }) {
  const { initialState, cloneState, fingerprint, actionsOf, checkEnd, isSettled } = modelOf(config);
  const startedAt = performance.now();
  const first = { state: initialState(config), parent: null, label: "" };
  const seen = new Set([fingerprint(first.state)]);
  let layer = [first];
  let edges = 0;
  let stuck = 0;
  let depth = 0;
  const report = (result, extra) => ({
    result,
    states: seen.size,
    edges,
    depth,
    stuck,
    ms: Math.round(performance.now() - startedAt),
    ...extra,
  });
  while (layer.length) {
    const nextLayer = [];
    depth++;
    for (const node of layer) {
      const actions = actionsOf(node.state, config);
      if (!actions.length && !isSettled(node.state)) stuck++;
      if (!actions.length) {
        const why = violationAfter(
          config,
          node.state,
          (state) => checkEnd(state, config),
          () => true,
        );
        if (why) return report("violated", { why, trace: traceOf(node) });
      }
      for (const { label, apply } of actions) {
        const state = cloneState(node.state);
        edges++;
        let key;
        const isSeen = () => {
          key = fingerprint(state);
          return seen.has(key);
        };
        const why = violationAfter(config, state, apply, isSeen);
        if (why) return report("violated", { why, trace: [...traceOf(node), label] });
        if (seen.has(key)) continue;
        seen.add(key);
        nextLayer.push({ state, parent: node, label });
      }
      node.state = null;
      if (seen.size > statesMax || performance.now() - startedAt > msMax) return report("bounded");
    }
    layer = nextLayer;
  }
  return report("exhausted");
}

/** Walks from the first state along random actions, again and again. */
export function walk(config, { msMax, seed, stepsMax = 120 }) {
  const { initialState, actionsOf, checkEnd } = modelOf(config);
  const random = randomFrom(seed);
  const startedAt = performance.now();
  let walks = 0;
  let steps = 0;
  for (; performance.now() - startedAt < msMax; walks++) {
    const state = initialState(config);
    const trace = [];
    for (let step = 0; step < stepsMax; step++) {
      const actions = actionsOf(state, config);
      if (!actions.length) {
        const why = violationAfter(
          config,
          state,
          (end) => checkEnd(end, config),
          () => true,
        );
        if (why) return { result: "violated", why, trace, walks, steps };
        break;
      }
      const { label, apply } = actions[Math.floor(random() * actions.length)];
      trace.push(label);
      steps++;
      const why = violationAfter(config, state, apply);
      if (why) return { result: "violated", why, trace, walks, steps };
    }
  }
  return { result: "no violation", walks, steps };
}

function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
    return state / 2 ** 32;
  };
}

// The two series of numbered objects: manifests, and the states of compaction jobs. Both are created number after number
// by the same rules; a coordinator commits to both, and keeps what it knows of each apart.

/** What every committer keeps of a series: what it believes newest, since when, and where its commit stands. */
export const cursor = {
  knownNumber: 0,
  known: null,
  newestSince: 0,
  commitCount: 0,
  outcomeUnknown: false,
  confirming: false, // the age rule asks for a listing before the outcome is believed
};

export const manifests = {
  kind: "manifest",
  objectsOf: (state) => state.manifests,
  truthOf: (state) => state.truth,
  cursorOf: (process) => process,
};

export const jobStates = {
  kind: "job state",
  objectsOf: (state) => state.jobStates,
  truthOf: (state) => state.truth.jobStates,
  cursorOf: (process) => process.jobs,
};

const seriesOf = { [manifests.kind]: manifests, [jobStates.kind]: jobStates };

export const seriesOfRequest = ({ kind }) => seriesOf[kind];

/** Takes the newest object of a series for known, as a listing or a poll finds it. */
export function takeNewest(series, state, process) {
  const at = series.cursorOf(process);
  at.knownNumber = series.truthOf(state).newest;
  at.known = series.objectsOf(state)[at.knownNumber];
  at.newestSince = state.now;
  return at.known;
}

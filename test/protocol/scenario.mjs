// What a scenario is: a world with an id, in which the protocol holds or a rule is left out.

export const clean = (id, title, config) => ({ id, title, kind: "clean", config });
export const planted = (id, title, config, extra) => ({
  id,
  title,
  kind: "planted",
  config: { planted: [id], ...config, ...extra },
});

/** Which errors of Node's zlib say that its input is wrong: bad data, data cut off, or more of it than was allowed. */

export function isWrongInput(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string" || code === "Z_MEM_ERROR" || code.endsWith("memory_allocation")) {
    return false;
  }
  return code.startsWith("Z_") || code.startsWith("ZSTD_") || code === "ERR_BUFFER_TOO_LARGE";
}

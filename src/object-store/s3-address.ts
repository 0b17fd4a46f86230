/** Where a bucket is: the server to connect to, and the path that a key has there. Pure functions. */
import { isIP } from "node:net";
import { StoreError } from "../common/errors.js";
import { isUsualRegion, type S3Settings } from "./s3-settings.js";

export interface S3Address {
  readonly isSecure: boolean;
  /** As sockets take it: without the brackets of IPv6. */
  readonly hostname: string;
  readonly port: number;
  /** The header: with the port unless it is the protocol's own. */
  readonly host: string;
  /** The path of the bucket, without a `/` at its end. */
  readonly path: string;
}

/** Throws `StoreError` "invalid" for a region whose endpoints are not known here. */
export function resolveAddress(
  settings: Pick<S3Settings, "bucket" | "endpoint" | "forcePathStyle">,
  region: string,
): S3Address {
  const { bucket, forcePathStyle } = settings;
  const endpoint = new URL(settings.endpoint ?? awsEndpoint(region));
  const isSecure = endpoint.protocol === "https:";
  const address = isIP(endpoint.hostname.replace(/^\[|\]$/g, "")) !== 0;
  const isVirtual = !forcePathStyle && !address && isHostLabel(bucket, isSecure);
  const base = endpoint.pathname.replace(/\/+$/, "");
  const host = isVirtual ? `${bucket}.${endpoint.host}` : endpoint.host;
  const hostname = isVirtual ? `${bucket}.${endpoint.hostname}` : endpoint.hostname;
  return {
    isSecure,
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: endpoint.port === "" ? (isSecure ? 443 : 80) : Number(endpoint.port),
    host,
    path: isVirtual ? base : `${base}/${encodePath(bucket)}`,
  };
}

function awsEndpoint(region: string): string {
  if (!isUsualRegion(region)) {
    throw new StoreError("invalid", `Region "${region}" needs \`transport: "sdk"\`.`);
  }
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** Whether the bucket can be a part of the host's name: a certificate for `*.` covers one label only. */
function isHostLabel(bucket: string, isSecure: boolean): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return false;
  return !bucket.includes(".") || (!isSecure && !/\.\.|\.-|-\.|^[\d.]+$/.test(bucket));
}

/** Percent-encodes all but RFC 3986's unreserved characters and `/`: the form that signatures are made of. */
export function encodePath(key: string): string {
  return encodeQuery(key).replaceAll("%2F", "/");
}

export function encodeQuery(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

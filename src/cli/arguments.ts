/** Arguments and options that several commands share. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, InvalidArgumentError as InvalidOption, Option } from "commander";
import { textEncodings } from "./encoding.js";

const urlHelp = "s3://bucket/path, file:///folder, memory:///name, or the path of a folder";

/** Adds the argument that every command begins with. */
export function addUrl(command: Command): Command {
  return command.argument("<url>", urlHelp, toUrl);
}

/** Paths are a convenience of the command: `./db` is `file:///…/db`. */
export function toUrl(text: string): string {
  return /^(\/|\.{1,2}(\/|$))/.test(text) ? pathToFileURL(resolve(text)).href : text;
}

export function keyEncodingOption(): Option {
  return new Option("--key-encoding <encoding>", "what keys are given in")
    .choices(textEncodings)
    .default("utf8");
}

/** What a command reads: the newest state, unless one of these is given. */
export interface MomentArguments {
  checkpoint?: string;
  at?: number;
  manifest?: number;
}

export function addMoment(command: Command): Command {
  return command
    .option("--checkpoint <id>", "what this checkpoint holds; its id or its name")
    .option("--at <time>", "what was there then: ISO 8601, or ms since 1970", moment)
    .option("--manifest <number>", "what this manifest named", wholeNumber);
}

/** As options of `DbReader.open`, which says when more than one is given. */
export function momentOf({ checkpoint, at, manifest }: MomentArguments): {
  checkpoint?: string | undefined;
  at?: number | undefined;
  manifestNumber?: number | undefined;
} {
  return { checkpoint, at, manifestNumber: manifest };
}

function moment(text: string): number {
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidOption("It must be a time, as in 2026-01-31T12:00:00Z.");
  return ms;
}

/** For options that are whole numbers. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidOption("It must be a whole number.");
  return Number(text);
}

/** For times in seconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.1) || text.trim() === "") {
    throw new InvalidOption("It must be a number of seconds from 0.1.");
  }
  return value;
}

#!/usr/bin/env node
/** The `moraine` command. */
export {};

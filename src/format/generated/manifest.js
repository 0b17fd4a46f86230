/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "protobufjs/minimal.js";

const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError;

const $root = $protobuf.roots["default"] || ($protobuf.roots["default"] = {});

export const moraine = $root.moraine = (() => {

    const moraine = {};

    moraine.v1 = (function() {

        const v1 = {};

        v1.Manifest = (function() {

            const Manifest = function (properties) {
                this.requiredFeatures = [];
                this.optionalFeatures = [];
                this.walChain = [];
                this.l0 = [];
                this.runs = [];
                this.checkpoints = [];
                this.externals = [];
                this.retired = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            Manifest.prototype.number = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.databaseId = $util.newBuffer([]);
            Manifest.prototype.createdAt = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.token = $util.newBuffer([]);
            Manifest.prototype.destroyed = false;
            Manifest.prototype.requiredFeatures = $util.emptyArray;
            Manifest.prototype.optionalFeatures = $util.emptyArray;
            Manifest.prototype.writerEpoch = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.compactorEpoch = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.lastL0Seq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.lastSeq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.snapshotSeq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Manifest.prototype.walStart = null;
            Manifest.prototype.walChain = $util.emptyArray;
            Manifest.prototype.l0 = $util.emptyArray;
            Manifest.prototype.runs = $util.emptyArray;
            Manifest.prototype.checkpoints = $util.emptyArray;
            Manifest.prototype.externals = $util.emptyArray;
            Manifest.prototype.retired = $util.emptyArray;
            Manifest.prototype.writerFloor = $util.newBuffer([]);
            Manifest.prototype.compactorFloor = $util.newBuffer([]);
            Manifest.prototype.pinned = null;

            Manifest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.number != null && $Object.hasOwnProperty.call(message, "number") && (typeof message.number === "object" ? message.number.low || message.number.high : message.number !== 0))
                    writer.uint32(8).uint64(message.number);
                if (message.databaseId != null && $Object.hasOwnProperty.call(message, "databaseId") && message.databaseId.length)
                    writer.uint32(18).bytes(message.databaseId);
                if (message.createdAt != null && $Object.hasOwnProperty.call(message, "createdAt") && (typeof message.createdAt === "object" ? message.createdAt.low || message.createdAt.high : message.createdAt !== 0))
                    writer.uint32(24).uint64(message.createdAt);
                if (message.token != null && $Object.hasOwnProperty.call(message, "token") && message.token.length)
                    writer.uint32(34).bytes(message.token);
                if (message.destroyed != null && $Object.hasOwnProperty.call(message, "destroyed") && message.destroyed !== false)
                    writer.uint32(40).bool(message.destroyed);
                if (message.requiredFeatures != null && message.requiredFeatures.length)
                    writer.uint32(50).uint32s(message.requiredFeatures);
                if (message.optionalFeatures != null && message.optionalFeatures.length)
                    writer.uint32(58).uint32s(message.optionalFeatures);
                if (message.writerEpoch != null && $Object.hasOwnProperty.call(message, "writerEpoch") && (typeof message.writerEpoch === "object" ? message.writerEpoch.low || message.writerEpoch.high : message.writerEpoch !== 0))
                    writer.uint32(64).uint64(message.writerEpoch);
                if (message.compactorEpoch != null && $Object.hasOwnProperty.call(message, "compactorEpoch") && (typeof message.compactorEpoch === "object" ? message.compactorEpoch.low || message.compactorEpoch.high : message.compactorEpoch !== 0))
                    writer.uint32(72).uint64(message.compactorEpoch);
                if (message.lastL0Seq != null && $Object.hasOwnProperty.call(message, "lastL0Seq") && (typeof message.lastL0Seq === "object" ? message.lastL0Seq.low || message.lastL0Seq.high : message.lastL0Seq !== 0))
                    writer.uint32(80).uint64(message.lastL0Seq);
                if (message.lastSeq != null && $Object.hasOwnProperty.call(message, "lastSeq") && (typeof message.lastSeq === "object" ? message.lastSeq.low || message.lastSeq.high : message.lastSeq !== 0))
                    writer.uint32(88).uint64(message.lastSeq);
                if (message.snapshotSeq != null && $Object.hasOwnProperty.call(message, "snapshotSeq") && (typeof message.snapshotSeq === "object" ? message.snapshotSeq.low || message.snapshotSeq.high : message.snapshotSeq !== 0))
                    writer.uint32(96).uint64(message.snapshotSeq);
                if (message.walStart != null && $Object.hasOwnProperty.call(message, "walStart"))
                    $root.moraine.v1.WalPosition.encode(message.walStart, writer.uint32(106).fork(), _depth + 1).ldelim();
                if (message.walChain != null && message.walChain.length)
                    for (let i = 0; i < message.walChain.length; ++i)
                        $root.moraine.v1.WalEpoch.encode(message.walChain[i], writer.uint32(114).fork(), _depth + 1).ldelim();
                if (message.l0 != null && message.l0.length)
                    for (let i = 0; i < message.l0.length; ++i)
                        $root.moraine.v1.L0Entry.encode(message.l0[i], writer.uint32(122).fork(), _depth + 1).ldelim();
                if (message.runs != null && message.runs.length)
                    for (let i = 0; i < message.runs.length; ++i)
                        $root.moraine.v1.SortedRun.encode(message.runs[i], writer.uint32(130).fork(), _depth + 1).ldelim();
                if (message.checkpoints != null && message.checkpoints.length)
                    for (let i = 0; i < message.checkpoints.length; ++i)
                        $root.moraine.v1.Checkpoint.encode(message.checkpoints[i], writer.uint32(138).fork(), _depth + 1).ldelim();
                if (message.externals != null && message.externals.length)
                    for (let i = 0; i < message.externals.length; ++i)
                        $root.moraine.v1.ExternalDatabase.encode(message.externals[i], writer.uint32(146).fork(), _depth + 1).ldelim();
                if (message.retired != null && message.retired.length)
                    for (let i = 0; i < message.retired.length; ++i)
                        $root.moraine.v1.RetiredObjects.encode(message.retired[i], writer.uint32(154).fork(), _depth + 1).ldelim();
                if (message.writerFloor != null && $Object.hasOwnProperty.call(message, "writerFloor") && message.writerFloor.length)
                    writer.uint32(162).bytes(message.writerFloor);
                if (message.compactorFloor != null && $Object.hasOwnProperty.call(message, "compactorFloor") && message.compactorFloor.length)
                    writer.uint32(170).bytes(message.compactorFloor);
                if (message.pinned != null && $Object.hasOwnProperty.call(message, "pinned"))
                    $root.moraine.v1.PinnedSettings.encode(message.pinned, writer.uint32(178).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            Manifest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.Manifest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.number = value;
                            else
                                delete message.number;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.databaseId = value;
                            else
                                delete message.databaseId;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.createdAt = value;
                            else
                                delete message.createdAt;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.token = value;
                            else
                                delete message.token;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.bool())
                                message.destroyed = value;
                            else
                                delete message.destroyed;
                            continue;
                        }
                    case 6: {
                            if (wireType === 2) {
                                if (!(message.requiredFeatures && message.requiredFeatures.length))
                                    message.requiredFeatures = [];
                                reader.uint32s(message.requiredFeatures);
                                continue;
                            }
                            if (wireType !== 0)
                                break;
                            if (!(message.requiredFeatures && message.requiredFeatures.length))
                                message.requiredFeatures = [];
                            message.requiredFeatures.push(reader.uint32());
                            continue;
                        }
                    case 7: {
                            if (wireType === 2) {
                                if (!(message.optionalFeatures && message.optionalFeatures.length))
                                    message.optionalFeatures = [];
                                reader.uint32s(message.optionalFeatures);
                                continue;
                            }
                            if (wireType !== 0)
                                break;
                            if (!(message.optionalFeatures && message.optionalFeatures.length))
                                message.optionalFeatures = [];
                            message.optionalFeatures.push(reader.uint32());
                            continue;
                        }
                    case 8: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.writerEpoch = value;
                            else
                                delete message.writerEpoch;
                            continue;
                        }
                    case 9: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.compactorEpoch = value;
                            else
                                delete message.compactorEpoch;
                            continue;
                        }
                    case 10: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.lastL0Seq = value;
                            else
                                delete message.lastL0Seq;
                            continue;
                        }
                    case 11: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.lastSeq = value;
                            else
                                delete message.lastSeq;
                            continue;
                        }
                    case 12: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.snapshotSeq = value;
                            else
                                delete message.snapshotSeq;
                            continue;
                        }
                    case 13: {
                            if (wireType !== 2)
                                break;
                            message.walStart = $root.moraine.v1.WalPosition.decode(reader, reader.size(), $undefined, _depth + 1, message.walStart);
                            continue;
                        }
                    case 14: {
                            if (wireType !== 2)
                                break;
                            if (!(message.walChain && message.walChain.length))
                                message.walChain = [];
                            message.walChain.push($root.moraine.v1.WalEpoch.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 15: {
                            if (wireType !== 2)
                                break;
                            if (!(message.l0 && message.l0.length))
                                message.l0 = [];
                            message.l0.push($root.moraine.v1.L0Entry.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 16: {
                            if (wireType !== 2)
                                break;
                            if (!(message.runs && message.runs.length))
                                message.runs = [];
                            message.runs.push($root.moraine.v1.SortedRun.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 17: {
                            if (wireType !== 2)
                                break;
                            if (!(message.checkpoints && message.checkpoints.length))
                                message.checkpoints = [];
                            message.checkpoints.push($root.moraine.v1.Checkpoint.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 18: {
                            if (wireType !== 2)
                                break;
                            if (!(message.externals && message.externals.length))
                                message.externals = [];
                            message.externals.push($root.moraine.v1.ExternalDatabase.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 19: {
                            if (wireType !== 2)
                                break;
                            if (!(message.retired && message.retired.length))
                                message.retired = [];
                            message.retired.push($root.moraine.v1.RetiredObjects.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 20: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.writerFloor = value;
                            else
                                delete message.writerFloor;
                            continue;
                        }
                    case 21: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.compactorFloor = value;
                            else
                                delete message.compactorFloor;
                            continue;
                        }
                    case 22: {
                            if (wireType !== 2)
                                break;
                            message.pinned = $root.moraine.v1.PinnedSettings.decode(reader, reader.size(), $undefined, _depth + 1, message.pinned);
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Manifest;
        })();

        v1.WalPosition = (function() {

            const WalPosition = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            WalPosition.prototype.epoch = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WalPosition.prototype.id = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            WalPosition.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.epoch != null && $Object.hasOwnProperty.call(message, "epoch") && (typeof message.epoch === "object" ? message.epoch.low || message.epoch.high : message.epoch !== 0))
                    writer.uint32(8).uint64(message.epoch);
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && (typeof message.id === "object" ? message.id.low || message.id.high : message.id !== 0))
                    writer.uint32(16).uint64(message.id);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            WalPosition.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.WalPosition();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.epoch = value;
                            else
                                delete message.epoch;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return WalPosition;
        })();

        v1.WalEpoch = (function() {

            const WalEpoch = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            WalEpoch.prototype.epoch = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WalEpoch.prototype.putsInFlight = 0;

            WalEpoch.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.epoch != null && $Object.hasOwnProperty.call(message, "epoch") && (typeof message.epoch === "object" ? message.epoch.low || message.epoch.high : message.epoch !== 0))
                    writer.uint32(8).uint64(message.epoch);
                if (message.putsInFlight != null && $Object.hasOwnProperty.call(message, "putsInFlight") && message.putsInFlight !== 0)
                    writer.uint32(16).uint32(message.putsInFlight);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            WalEpoch.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.WalEpoch();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.epoch = value;
                            else
                                delete message.epoch;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.putsInFlight = value;
                            else
                                delete message.putsInFlight;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return WalEpoch;
        })();

        v1.SstInfo = (function() {

            const SstInfo = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            SstInfo.prototype.id = $util.newBuffer([]);
            SstInfo.prototype.size = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.metaOffset = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.topOffset = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.firstKey = $util.newBuffer([]);
            SstInfo.prototype.lastKey = $util.newBuffer([]);
            SstInfo.prototype.minSeq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.maxSeq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.rowCount = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.deleteCount = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SstInfo.prototype.maxExpiresAt = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            SstInfo.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && message.id.length)
                    writer.uint32(10).bytes(message.id);
                if (message.size != null && $Object.hasOwnProperty.call(message, "size") && (typeof message.size === "object" ? message.size.low || message.size.high : message.size !== 0))
                    writer.uint32(16).uint64(message.size);
                if (message.metaOffset != null && $Object.hasOwnProperty.call(message, "metaOffset") && (typeof message.metaOffset === "object" ? message.metaOffset.low || message.metaOffset.high : message.metaOffset !== 0))
                    writer.uint32(24).uint64(message.metaOffset);
                if (message.topOffset != null && $Object.hasOwnProperty.call(message, "topOffset") && (typeof message.topOffset === "object" ? message.topOffset.low || message.topOffset.high : message.topOffset !== 0))
                    writer.uint32(32).uint64(message.topOffset);
                if (message.firstKey != null && $Object.hasOwnProperty.call(message, "firstKey") && message.firstKey.length)
                    writer.uint32(42).bytes(message.firstKey);
                if (message.lastKey != null && $Object.hasOwnProperty.call(message, "lastKey") && message.lastKey.length)
                    writer.uint32(50).bytes(message.lastKey);
                if (message.minSeq != null && $Object.hasOwnProperty.call(message, "minSeq") && (typeof message.minSeq === "object" ? message.minSeq.low || message.minSeq.high : message.minSeq !== 0))
                    writer.uint32(56).uint64(message.minSeq);
                if (message.maxSeq != null && $Object.hasOwnProperty.call(message, "maxSeq") && (typeof message.maxSeq === "object" ? message.maxSeq.low || message.maxSeq.high : message.maxSeq !== 0))
                    writer.uint32(64).uint64(message.maxSeq);
                if (message.rowCount != null && $Object.hasOwnProperty.call(message, "rowCount") && (typeof message.rowCount === "object" ? message.rowCount.low || message.rowCount.high : message.rowCount !== 0))
                    writer.uint32(72).uint64(message.rowCount);
                if (message.deleteCount != null && $Object.hasOwnProperty.call(message, "deleteCount") && (typeof message.deleteCount === "object" ? message.deleteCount.low || message.deleteCount.high : message.deleteCount !== 0))
                    writer.uint32(80).uint64(message.deleteCount);
                if (message.maxExpiresAt != null && $Object.hasOwnProperty.call(message, "maxExpiresAt") && (typeof message.maxExpiresAt === "object" ? message.maxExpiresAt.low || message.maxExpiresAt.high : message.maxExpiresAt !== 0))
                    writer.uint32(88).uint64(message.maxExpiresAt);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            SstInfo.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.SstInfo();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.size = value;
                            else
                                delete message.size;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.metaOffset = value;
                            else
                                delete message.metaOffset;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.topOffset = value;
                            else
                                delete message.topOffset;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.firstKey = value;
                            else
                                delete message.firstKey;
                            continue;
                        }
                    case 6: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.lastKey = value;
                            else
                                delete message.lastKey;
                            continue;
                        }
                    case 7: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.minSeq = value;
                            else
                                delete message.minSeq;
                            continue;
                        }
                    case 8: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.maxSeq = value;
                            else
                                delete message.maxSeq;
                            continue;
                        }
                    case 9: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.rowCount = value;
                            else
                                delete message.rowCount;
                            continue;
                        }
                    case 10: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.deleteCount = value;
                            else
                                delete message.deleteCount;
                            continue;
                        }
                    case 11: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.maxExpiresAt = value;
                            else
                                delete message.maxExpiresAt;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return SstInfo;
        })();

        v1.L0Entry = (function() {

            const L0Entry = function (properties) {
                this.ssts = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            L0Entry.prototype.ssts = $util.emptyArray;
            L0Entry.prototype.seq = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            L0Entry.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.ssts != null && message.ssts.length)
                    for (let i = 0; i < message.ssts.length; ++i)
                        $root.moraine.v1.SstInfo.encode(message.ssts[i], writer.uint32(10).fork(), _depth + 1).ldelim();
                if (message.seq != null && $Object.hasOwnProperty.call(message, "seq") && (typeof message.seq === "object" ? message.seq.low || message.seq.high : message.seq !== 0))
                    writer.uint32(16).uint64(message.seq);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            L0Entry.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.L0Entry();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ssts && message.ssts.length))
                                message.ssts = [];
                            message.ssts.push($root.moraine.v1.SstInfo.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.seq = value;
                            else
                                delete message.seq;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return L0Entry;
        })();

        v1.SortedRun = (function() {

            const SortedRun = function (properties) {
                this.ssts = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            SortedRun.prototype.id = $util.newBuffer([]);
            SortedRun.prototype.ssts = $util.emptyArray;
            SortedRun.prototype.listBytes = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SortedRun.prototype.firstKey = $util.newBuffer([]);
            SortedRun.prototype.lastKey = $util.newBuffer([]);
            SortedRun.prototype.sstCount = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SortedRun.prototype.rowCount = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SortedRun.prototype.size = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            SortedRun.prototype.level = 0;

            SortedRun.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && message.id.length)
                    writer.uint32(10).bytes(message.id);
                if (message.ssts != null && message.ssts.length)
                    for (let i = 0; i < message.ssts.length; ++i)
                        $root.moraine.v1.SstInfo.encode(message.ssts[i], writer.uint32(18).fork(), _depth + 1).ldelim();
                if (message.listBytes != null && $Object.hasOwnProperty.call(message, "listBytes") && (typeof message.listBytes === "object" ? message.listBytes.low || message.listBytes.high : message.listBytes !== 0))
                    writer.uint32(24).uint64(message.listBytes);
                if (message.firstKey != null && $Object.hasOwnProperty.call(message, "firstKey") && message.firstKey.length)
                    writer.uint32(34).bytes(message.firstKey);
                if (message.lastKey != null && $Object.hasOwnProperty.call(message, "lastKey") && message.lastKey.length)
                    writer.uint32(42).bytes(message.lastKey);
                if (message.sstCount != null && $Object.hasOwnProperty.call(message, "sstCount") && (typeof message.sstCount === "object" ? message.sstCount.low || message.sstCount.high : message.sstCount !== 0))
                    writer.uint32(48).uint64(message.sstCount);
                if (message.rowCount != null && $Object.hasOwnProperty.call(message, "rowCount") && (typeof message.rowCount === "object" ? message.rowCount.low || message.rowCount.high : message.rowCount !== 0))
                    writer.uint32(56).uint64(message.rowCount);
                if (message.size != null && $Object.hasOwnProperty.call(message, "size") && (typeof message.size === "object" ? message.size.low || message.size.high : message.size !== 0))
                    writer.uint32(64).uint64(message.size);
                if (message.level != null && $Object.hasOwnProperty.call(message, "level") && message.level !== 0)
                    writer.uint32(72).uint32(message.level);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            SortedRun.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.SortedRun();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ssts && message.ssts.length))
                                message.ssts = [];
                            message.ssts.push($root.moraine.v1.SstInfo.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.listBytes = value;
                            else
                                delete message.listBytes;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.firstKey = value;
                            else
                                delete message.firstKey;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.lastKey = value;
                            else
                                delete message.lastKey;
                            continue;
                        }
                    case 6: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.sstCount = value;
                            else
                                delete message.sstCount;
                            continue;
                        }
                    case 7: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.rowCount = value;
                            else
                                delete message.rowCount;
                            continue;
                        }
                    case 8: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.size = value;
                            else
                                delete message.size;
                            continue;
                        }
                    case 9: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.level = value;
                            else
                                delete message.level;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return SortedRun;
        })();

        v1.Run = (function() {

            const Run = function (properties) {
                this.ssts = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            Run.prototype.id = $util.newBuffer([]);
            Run.prototype.ssts = $util.emptyArray;

            Run.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && message.id.length)
                    writer.uint32(10).bytes(message.id);
                if (message.ssts != null && message.ssts.length)
                    for (let i = 0; i < message.ssts.length; ++i)
                        $root.moraine.v1.SstInfo.encode(message.ssts[i], writer.uint32(18).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            Run.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.Run();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ssts && message.ssts.length))
                                message.ssts = [];
                            message.ssts.push($root.moraine.v1.SstInfo.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Run;
        })();

        v1.LoadRecord = (function() {

            const LoadRecord = function (properties) {
                this.entries = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            LoadRecord.prototype.entries = $util.emptyArray;

            LoadRecord.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.entries != null && message.entries.length)
                    for (let i = 0; i < message.entries.length; ++i)
                        $root.moraine.v1.L0Entry.encode(message.entries[i], writer.uint32(10).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            LoadRecord.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.LoadRecord();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.entries && message.entries.length))
                                message.entries = [];
                            message.entries.push($root.moraine.v1.L0Entry.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return LoadRecord;
        })();

        v1.Checkpoint = (function() {

            const Checkpoint = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            Checkpoint.prototype.id = $util.newBuffer([]);
            Checkpoint.prototype.name = "";
            Checkpoint.prototype.manifestNumber = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Checkpoint.prototype.createdAt = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Checkpoint.prototype.ttlMs = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Checkpoint.prototype.refreshedNumber = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            Checkpoint.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.id != null && $Object.hasOwnProperty.call(message, "id") && message.id.length)
                    writer.uint32(10).bytes(message.id);
                if (message.name != null && $Object.hasOwnProperty.call(message, "name") && message.name !== "")
                    writer.uint32(18).string(message.name);
                if (message.manifestNumber != null && $Object.hasOwnProperty.call(message, "manifestNumber") && (typeof message.manifestNumber === "object" ? message.manifestNumber.low || message.manifestNumber.high : message.manifestNumber !== 0))
                    writer.uint32(24).uint64(message.manifestNumber);
                if (message.createdAt != null && $Object.hasOwnProperty.call(message, "createdAt") && (typeof message.createdAt === "object" ? message.createdAt.low || message.createdAt.high : message.createdAt !== 0))
                    writer.uint32(32).uint64(message.createdAt);
                if (message.ttlMs != null && $Object.hasOwnProperty.call(message, "ttlMs") && (typeof message.ttlMs === "object" ? message.ttlMs.low || message.ttlMs.high : message.ttlMs !== 0))
                    writer.uint32(40).uint64(message.ttlMs);
                if (message.refreshedNumber != null && $Object.hasOwnProperty.call(message, "refreshedNumber") && (typeof message.refreshedNumber === "object" ? message.refreshedNumber.low || message.refreshedNumber.high : message.refreshedNumber !== 0))
                    writer.uint32(48).uint64(message.refreshedNumber);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            Checkpoint.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.Checkpoint();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.id = value;
                            else
                                delete message.id;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.name = value;
                            else
                                delete message.name;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.manifestNumber = value;
                            else
                                delete message.manifestNumber;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.createdAt = value;
                            else
                                delete message.createdAt;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.ttlMs = value;
                            else
                                delete message.ttlMs;
                            continue;
                        }
                    case 6: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.refreshedNumber = value;
                            else
                                delete message.refreshedNumber;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Checkpoint;
        })();

        v1.ExternalDatabase = (function() {

            const ExternalDatabase = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            ExternalDatabase.prototype.databaseId = $util.newBuffer([]);
            ExternalDatabase.prototype.path = "";
            ExternalDatabase.prototype.checkpointId = $util.newBuffer([]);

            ExternalDatabase.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.databaseId != null && $Object.hasOwnProperty.call(message, "databaseId") && message.databaseId.length)
                    writer.uint32(10).bytes(message.databaseId);
                if (message.path != null && $Object.hasOwnProperty.call(message, "path") && message.path !== "")
                    writer.uint32(18).string(message.path);
                if (message.checkpointId != null && $Object.hasOwnProperty.call(message, "checkpointId") && message.checkpointId.length)
                    writer.uint32(26).bytes(message.checkpointId);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            ExternalDatabase.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.ExternalDatabase();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.databaseId = value;
                            else
                                delete message.databaseId;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.path = value;
                            else
                                delete message.path;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.checkpointId = value;
                            else
                                delete message.checkpointId;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return ExternalDatabase;
        })();

        v1.RetiredObjects = (function() {

            const RetiredObjects = function (properties) {
                this.ids = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            RetiredObjects.prototype.kind = 0;
            RetiredObjects.prototype.manifestNumber = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            RetiredObjects.prototype.ids = $util.emptyArray;
            RetiredObjects.prototype.epoch = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            RetiredObjects.prototype.fromId = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            RetiredObjects.prototype.toId = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            RetiredObjects.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.kind != null && $Object.hasOwnProperty.call(message, "kind") && message.kind !== 0)
                    writer.uint32(8).uint32(message.kind);
                if (message.manifestNumber != null && $Object.hasOwnProperty.call(message, "manifestNumber") && (typeof message.manifestNumber === "object" ? message.manifestNumber.low || message.manifestNumber.high : message.manifestNumber !== 0))
                    writer.uint32(16).uint64(message.manifestNumber);
                if (message.ids != null && message.ids.length)
                    for (let i = 0; i < message.ids.length; ++i)
                        writer.uint32(26).bytes(message.ids[i]);
                if (message.epoch != null && $Object.hasOwnProperty.call(message, "epoch") && (typeof message.epoch === "object" ? message.epoch.low || message.epoch.high : message.epoch !== 0))
                    writer.uint32(32).uint64(message.epoch);
                if (message.fromId != null && $Object.hasOwnProperty.call(message, "fromId") && (typeof message.fromId === "object" ? message.fromId.low || message.fromId.high : message.fromId !== 0))
                    writer.uint32(40).uint64(message.fromId);
                if (message.toId != null && $Object.hasOwnProperty.call(message, "toId") && (typeof message.toId === "object" ? message.toId.low || message.toId.high : message.toId !== 0))
                    writer.uint32(48).uint64(message.toId);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            RetiredObjects.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.RetiredObjects();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.kind = value;
                            else
                                delete message.kind;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.manifestNumber = value;
                            else
                                delete message.manifestNumber;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if (!(message.ids && message.ids.length))
                                message.ids = [];
                            message.ids.push(reader.bytes());
                            continue;
                        }
                    case 4: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.epoch = value;
                            else
                                delete message.epoch;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.fromId = value;
                            else
                                delete message.fromId;
                            continue;
                        }
                    case 6: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                message.toId = value;
                            else
                                delete message.toId;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return RetiredObjects;
        })();

        v1.PinnedSettings = (function() {

            const PinnedSettings = function (properties) {
                this.mergeOperators = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            PinnedSettings.prototype.walLocation = 0;
            PinnedSettings.prototype.walStoreId = "";
            PinnedSettings.prototype.walPath = "";
            PinnedSettings.prototype.mergeOperators = $util.emptyArray;
            PinnedSettings.prototype.encryption = 0;

            PinnedSettings.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.walLocation != null && $Object.hasOwnProperty.call(message, "walLocation") && message.walLocation !== 0)
                    writer.uint32(8).uint32(message.walLocation);
                if (message.walStoreId != null && $Object.hasOwnProperty.call(message, "walStoreId") && message.walStoreId !== "")
                    writer.uint32(18).string(message.walStoreId);
                if (message.walPath != null && $Object.hasOwnProperty.call(message, "walPath") && message.walPath !== "")
                    writer.uint32(26).string(message.walPath);
                if (message.mergeOperators != null && message.mergeOperators.length)
                    for (let i = 0; i < message.mergeOperators.length; ++i)
                        writer.uint32(34).string(message.mergeOperators[i]);
                if (message.encryption != null && $Object.hasOwnProperty.call(message, "encryption") && message.encryption !== 0)
                    writer.uint32(40).uint32(message.encryption);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            PinnedSettings.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.moraine.v1.PinnedSettings();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.walLocation = value;
                            else
                                delete message.walLocation;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.walStoreId = value;
                            else
                                delete message.walStoreId;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.walPath = value;
                            else
                                delete message.walPath;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            if (!(message.mergeOperators && message.mergeOperators.length))
                                message.mergeOperators = [];
                            message.mergeOperators.push(reader.stringVerify());
                            continue;
                        }
                    case 5: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.encryption = value;
                            else
                                delete message.encryption;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return PinnedSettings;
        })();

        return v1;
    })();

    return moraine;
})();

export {
  $root as default
};

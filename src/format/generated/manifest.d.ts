export interface MessageType {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}
export declare const moraine: {
  v1: { Manifest: MessageType; Run: MessageType; LoadRecord: MessageType };
};

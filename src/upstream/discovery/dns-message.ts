import { randomInt } from 'node:crypto';
import { type DecodedPacket, decode, encode, type OptAnswer, RECURSION_DESIRED } from 'dns-packet';

/** A question for SRV records as it is sent. */
export interface DnsQuery {
  readonly id: number;
  readonly name: string;
  readonly bytes: Buffer;
}

/** What a datagram or a message on a connection is to a query: its response, a part of it, or something else. */
export type DnsReply = DecodedPacket | 'truncated' | 'foreign';

/** The size of responses that passes everywhere without being cut into pieces (RFC 9715). */
const UDP_PAYLOAD_BYTES = 1232;
const HEADER_BYTES = 12;

/** Makes a question for SRV records. `hasSize` tells that answers may be longer than 512 bytes (EDNS, RFC 6891). */
export function createQuery(name: string, hasSize: boolean): DnsQuery {
  const id = randomInt(0x10000);
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: 'SRV', class: 'IN', name }],
    additionals: hasSize ? [SIZE] : [],
  });
  return { id, name, bytes };
}

/** Reads what came in. It counts only if it repeats id and question (RFC 5452 §9.1). */
export function readReply(message: Buffer, query: DnsQuery): DnsReply {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== query.id) return 'foreign';
  const { isResponse, isTruncated } = flagsOf(message.readUInt16BE(2));
  if (!isResponse) return 'foreign';
  // What is cut off may be no whole record, so it is not read. Whoever says so falsely has us ask again by TCP.
  if (isTruncated) return 'truncated';
  try {
    const packet = decode(message);
    return repeatsQuestion(packet, query) ? packet : 'foreign';
  } catch {
    return 'foreign';
  }
}

const SIZE: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function flagsOf(flags: number) {
  const isQuery = (flags & 0x7800) === 0;
  return { isResponse: (flags & 0x8000) !== 0 && isQuery, isTruncated: (flags & 0x0200) !== 0 };
}

function repeatsQuestion({ questions = [] }: DecodedPacket, { name }: DnsQuery): boolean {
  const [question] = questions;
  if (questions.length !== 1 || question === undefined) return false;
  return question.type === 'SRV' && question.class === 'IN' && plainName(question.name) === plainName(name);
}

function plainName(name: string): string {
  return name.replace(/\.$/, '').toLowerCase();
}

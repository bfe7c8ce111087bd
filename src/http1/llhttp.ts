import { createRequire } from 'node:module';

/*
 * The one file that knows llhttp: its WebAssembly build as undici ships it, its memory, its callbacks.
 *
 * Everything is allocated once, since a memory that grows detaches every view of it: an input region that sockets
 * read into, a scratch region for bytes that lie elsewhere, and an arena of parsers. Callbacks only record; nothing
 * may call into llhttp from inside one.
 */

declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: unknown;
  }
}

declare global {
  interface Buffer {
    /** Node's own decoder behind `toString('latin1')`, without its argument checks. */
    latin1Slice(start: number, end: number): string;
    /** Node's own encoder behind `write(text, offset, 'latin1')`. */
    latin1Write(text: string, offset: number): number;
  }
}

/** Size of the region that sockets read into. */
export const INPUT_BYTES = 64 * 1024;
const PARSER_BYTES = 64;
const SETTINGS_OFFSET = 56;
const ARENA_PARSERS = 65_536;

const PAUSED = 21;
const PAUSED_UPGRADE = 22;

interface LlhttpExports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(bytes: number): number;
  llhttp_alloc(type: number): number;
  llhttp_init(pointer: number, type: number, settings: number): void;
  llhttp_execute(pointer: number, data: number, length: number): number;
  llhttp_set_lenient_version(pointer: number, enabled: number): void;
  llhttp_resume(pointer: number): void;
  llhttp_get_error_pos(pointer: number): number;
  llhttp_get_error_reason(pointer: number): number;
}

/** Hears what llhttp found. Positions are offsets into the bytes given to `execute`. */
export interface ParserEvents {
  onUrl(at: number, length: number): void;
  onFieldName(at: number, length: number): void;
  onFieldValue(at: number, length: number): void;
  onHeadComplete(): void;
  onBody(at: number, length: number): void;
  onMessageComplete(): void;
}

/** What one `execute` came to: all is parsed, it stopped at `position` on purpose, or met an error there. */
export type ExecuteOutcome = 'more' | 'paused' | 'error';

export const REQUEST = 1;
export const RESPONSE = 2;

class Llhttp {
  /** Sockets read straight into this. What lies here is valid until the next socket reads. */
  readonly input: Buffer;
  /** Where the last `execute` stopped, as an offset into its bytes. */
  position = 0;
  private readonly scratch: Buffer;
  private readonly exports: LlhttpExports;
  private readonly inputPointer: number;
  private readonly scratchPointer: number;
  /** What turns a pointer from llhttp into an offset into the bytes being parsed. */
  private origin = 0;
  private readonly arenaPointer: number;
  private readonly settings: number;
  private readonly free: number[] = [];
  private used = 0;
  private events: ParserEvents | undefined = undefined;

  constructor(wasm: Uint8Array) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: this.callbacks() });
    this.exports = instance.exports as LlhttpExports;
    this.exports._initialize();
    const model = this.exports.llhttp_alloc(REQUEST);
    this.inputPointer = this.exports.malloc(INPUT_BYTES);
    this.scratchPointer = this.exports.malloc(INPUT_BYTES);
    this.arenaPointer = this.exports.malloc(ARENA_PARSERS * PARSER_BYTES);
    const memory = this.exports.memory.buffer;
    this.settings = new DataView(memory).getUint32(model + SETTINGS_OFFSET, true);
    this.input = Buffer.from(memory, this.inputPointer, INPUT_BYTES);
    this.scratch = Buffer.from(memory, this.scratchPointer, INPUT_BYTES);
  }

  /** Takes a parser from the arena, which is one for each head or chunked body under way. Answers 0 when none is left. */
  acquire(): number {
    const recycled = this.free.pop();
    if (recycled !== undefined) return recycled;
    if (this.used === ARENA_PARSERS) return 0;
    return this.arenaPointer + this.used++ * PARSER_BYTES;
  }

  release(pointer: number): void {
    this.free.push(pointer);
  }

  /** Starts a message on `pointer`, forgetting what came before. */
  start(pointer: number, type: number): void {
    this.exports.llhttp_init(pointer, type, this.settings);
    // It takes 1.2 for an error, which RFC 9110 §2.5 reads as 1.1; who reads the head judges versions.
    if (type === REQUEST) this.exports.llhttp_set_lenient_version(pointer, 1);
  }

  /** Goes on after a pause. */
  resume(pointer: number): void {
    this.exports.llhttp_resume(pointer);
  }

  /** Parses `start…end` of `bytes`, which may be `input` itself. `position` tells afterwards how far it came. */
  execute(
    pointer: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    events: ParserEvents,
  ): ExecuteOutcome {
    this.events = events;
    for (let at = start; ; at = this.position) {
      const pieceEnd = Math.min(end, at + INPUT_BYTES);
      const data = this.locate(bytes, at, pieceEnd);
      this.origin = data - at;
      const code = this.exports.llhttp_execute(pointer, data, pieceEnd - at);
      if (code !== 0) {
        this.position = this.exports.llhttp_get_error_pos(pointer) - this.origin;
        return code === PAUSED || code === PAUSED_UPGRADE ? 'paused' : 'error';
      }
      this.position = pieceEnd;
      if (pieceEnd === end) return 'more';
    }
  }

  /** Returns a pointer to `start…end` of `bytes`, copied to the scratch region unless it is the input region. */
  private locate(bytes: Uint8Array, start: number, end: number): number {
    if (bytes === this.input) return this.inputPointer + start;
    this.scratch.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return this.scratchPointer;
  }

  /** Reads bytes of the region being parsed. For use inside an event, whose positions it takes. */
  textAt(at: number, length: number): string {
    return Buffer.from(this.exports.memory.buffer, at + this.origin, length).toString('latin1');
  }

  /** Why the last `execute` on `pointer` failed, in llhttp's words. */
  errorReason(pointer: number): string {
    const at = this.exports.llhttp_get_error_reason(pointer);
    const bytes = new Uint8Array(this.exports.memory.buffer, at, 80);
    return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
  }

  private callbacks(): Record<string, (...args: number[]) => number> {
    const span = (call: (events: ParserEvents, at: number, length: number) => void) => {
      return (_pointer: number, at: number, length: number): number => {
        call(this.events as ParserEvents, at - this.origin, length);
        return 0;
      };
    };
    return {
      wasm_on_message_begin: () => 0,
      wasm_on_status: () => 0,
      wasm_on_url: span((events, at, length) => events.onUrl(at, length)),
      wasm_on_header_field: span((events, at, length) => events.onFieldName(at, length)),
      wasm_on_header_value: span((events, at, length) => events.onFieldValue(at, length)),
      wasm_on_body: span((events, at, length) => events.onBody(at, length)),
      wasm_on_headers_complete: () => {
        (this.events as ParserEvents).onHeadComplete();
        return PAUSED;
      },
      wasm_on_message_complete: () => {
        (this.events as ParserEvents).onMessageComplete();
        return PAUSED;
      },
    };
  }
}

let shared: Llhttp | undefined;

/** Returns the process's llhttp, made at the first call. */
export function llhttp(): Llhttp {
  shared ??= new Llhttp(readLlhttpWasm());
  return shared;
}

/** Reads the parser's WebAssembly out of the undici package, whose exact version package.json pins. */
export function readLlhttpWasm(): Uint8Array {
  return createRequire(import.meta.url)('undici/lib/llhttp/llhttp_simd-wasm.js') as Uint8Array;
}

export type { Llhttp };

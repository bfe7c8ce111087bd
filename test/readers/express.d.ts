/** As much of `express`, which has no types of its own, as is used here. */
declare module 'express' {
  import type { IncomingMessage, RequestListener } from 'node:http';

  export interface Request extends IncomingMessage {
    url: string;
    method: string;
    readonly hostname: string;
    get(name: string): string | undefined;
  }
  export interface Response {
    json(body: unknown): void;
  }
  export type Handler = (request: Request, response: Response, next: () => void) => void;
  interface App extends RequestListener {
    set(name: string, value: unknown): void;
    use(handler: Handler): void;
    all(path: string, handler: Handler): void;
    post(path: string, handler: Handler): void;
  }
  // biome-ignore lint/style/noDefaultExport: it is that of the package
  export default function express(): App;
}

// The shapes of the design, letter for letter. That what uses them compiles is half of what is tested.

export interface APIRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  queryParams: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: so it is written
  body: any;
}

export interface AuthToken {
  sub: string; // Subject (user identifier)
  exp: number; // Expiration time
  roles: string[]; // User roles
  permissions: string[]; // Specific permissions
}

export interface APIGateway {
  handleRequest(request: APIRequest): unknown;
  authenticate(request: APIRequest): unknown;
  authorize(request: APIRequest): unknown;
  routeRequest(request: APIRequest): unknown;
}

export interface AuthService {
  verifyToken(token: string): Promise<AuthToken>;
  getUserRoles(token: string): Promise<string[]>;
}

export interface RateLimiter {
  checkRateLimit(clientId: string): unknown;
}

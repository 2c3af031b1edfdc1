/** Digest authentication (RFC 3261 22, RFC 7616, RFC 8760) in both roles. */
export { type AuthorizationInput, authorization, DigestClient } from './client.ts';
export { parseDigest } from './header.ts';
export { type DigestAlgorithm, type DigestCredentials, digestResponse } from './response.ts';
export { type ChallengeStatus, DigestServer, type DigestServerOptions, type DigestVerdict } from './server.ts';

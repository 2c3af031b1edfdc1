/** The fallback driver, node:dgram, passes the suite that the native one passes. */
import { TestEngine } from './loopback.ts';

TestEngine.sockets = 'dgram';
await import('./engine.test.ts');
await import('./lane-restart.test.ts');
await import('./shared-ports.test.ts');
await import('./srtp-lane.test.ts');
await import('./awaited-keys.test.ts');
await import('./replicate.test.ts');
await import('./replicate-control.test.ts');
await import('./look-back.test.ts');
await import('./mix.test.ts');

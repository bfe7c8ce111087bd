import { connect } from 'node:net';
import { lookUpName } from '../../core/network/name-lookup.ts';
import { isOwnFault } from '../../core/network/own-fault.ts';
import { type HealthCheck, NO_VERDICT } from './health-check.ts';

/** Where to connect to: a host and a port, or a socket file. */
export type CheckedPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** Passes where a connection comes about. */
export function tcpCheck(place: CheckedPlace): HealthCheck {
  return {
    run(onResult) {
      const socket = connect({ ...place, lookup: lookUpName });
      socket.once('connect', () => {
        socket.destroy();
        onResult(undefined);
      });
      socket.once('error', (error) => onResult(isOwnFault(error) ? NO_VERDICT : error.message));
      return () => {
        socket.removeAllListeners().on('error', () => {});
        socket.destroy();
      };
    },
  };
}

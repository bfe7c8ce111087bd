import { isPromise } from '../core/is-promise.ts';
import type { LimitCharge, LimitStanding, LimitStore } from '../core/stores/limit-store.ts';
import {
  ChargePacker,
  ChargeUnpacker,
  type PackedCharges,
  packStandings,
  unpackStandings,
} from './packed-charges.ts';

/** What of the supervisor keeps the counters. */
export interface LimitMethods {
  /** Decides about the charges of several requests, one request after the other. Gives the standings of all. */
  charge(charges: PackedCharges): Promise<Float64Array>;
  chargeAfterwards(charges: PackedCharges): void;
}

interface Asking {
  readonly charges: readonly LimitCharge[];
  readonly resolve: (standings: readonly LimitStanding[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Has the supervisor decide about limits, so that they hold for all workers together. What requests ask in one turn of
 * the event loop travels in one message.
 */
export class SharedLimits implements LimitStore {
  private readonly supervisor: LimitMethods;
  private readonly packer = new ChargePacker();
  private asking: Asking[] = [];

  constructor(supervisor: LimitMethods) {
    this.supervisor = supervisor;
  }

  charge(charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    return new Promise((resolve, reject) => {
      if (this.asking.length === 0) setImmediate(() => void this.ask());
      this.asking.push({ charges, resolve, reject });
    });
  }

  chargeAfterwards(charges: readonly LimitCharge[]): void {
    this.packer.add(charges);
    this.supervisor.chargeAfterwards(this.packer.take());
  }

  private async ask(): Promise<void> {
    const asked = this.asking;
    this.asking = [];
    for (const { charges } of asked) this.packer.add(charges);
    try {
      const packed = await this.supervisor.charge(this.packer.take());
      let at = 0;
      for (const { charges, resolve } of asked) {
        resolve(unpackStandings(packed, at, charges.length));
        at += charges.length;
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

/** Decides for one worker with the counters that all have. */
export function serveLimits(store: LimitStore): LimitMethods {
  const unpacker = new ChargeUnpacker();
  return {
    async charge(packed) {
      const standings: LimitStanding[] = [];
      for (const charges of unpacker.unpack(packed)) {
        const decided = store.charge(charges);
        standings.push(...(isPromise(decided) ? await decided : decided));
      }
      return packStandings(standings);
    },
    chargeAfterwards(packed) {
      for (const charges of unpacker.unpack(packed)) store.chargeAfterwards(charges);
    },
  };
}

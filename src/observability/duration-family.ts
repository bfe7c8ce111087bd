import { DurationSeries } from './duration-series.ts';
import { formatLabels, type SeriesFamily } from './series-family.ts';

/** Gives the labels of a variant: of what differs between the series of one recorder, as a number. */
type LabelsOf = (variant: number) => Readonly<Record<string, string>>;

/** A histogram of durations whose series belong to somebody, such as a route, and end when nobody holds them. */
export class DurationFamily implements SeriesFamily {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  private readonly held = new Map<string, { series: SeriesByVariant; holders: number }>();

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  /** Finds or makes the series of `owner`, and counts one holder more. */
  hold(owner: string, labelsOf: LabelsOf): SeriesByVariant {
    const found = this.held.get(owner);
    if (found) {
      found.holders++;
      return found.series;
    }
    const series = new SeriesByVariant(
      (variant) => new DurationSeries(this.name, formatLabels(labelsOf(variant))),
    );
    this.held.set(owner, { series, holders: 1 });
    return series;
  }

  /** Counts one holder less. Returns whether it was the last, so that the series of `owner` have ended. */
  release(owner: string): boolean {
    const found = this.held.get(owner);
    if (found === undefined || --found.holders > 0) return false;
    return this.held.delete(owner);
  }

  *groups(): Generator<string> {
    for (const { series } of this.held.values()) yield series.render();
  }
}

/** The series of one owner, each made when it is first met. */
export class SeriesByVariant {
  private readonly all = new Map<number, DurationSeries>();
  private readonly make: (variant: number) => DurationSeries;
  private last: DurationSeries | undefined = undefined;
  private lastVariant = -1;

  constructor(make: (variant: number) => DurationSeries) {
    this.make = make;
  }

  /** Records into the series of `variant`. Most requests are as the one before, which then costs a comparison. */
  record(variant: number, seconds: number): void {
    if (variant !== this.lastVariant || this.last === undefined) {
      this.last = this.find(variant);
      this.lastVariant = variant;
    }
    this.last.record(seconds);
  }

  render(): string {
    let text = '';
    for (const series of this.all.values()) text += series.render();
    return text;
  }

  private find(variant: number): DurationSeries {
    let series = this.all.get(variant);
    if (series === undefined) {
      series = this.make(variant);
      this.all.set(variant, series);
    }
    return series;
  }
}

/** Whether a live view still hears of what it shows. */

/** How long nothing was heard, and what is to be done about it. Times are milliseconds since 1970. */
export class Silence {
  constructor(private _heard: number) {}

  /** Something was heard. */
  heard(now: number): void {
    this._heard = now;
    this._asked = undefined;
  }

  /** What to do, each {@link Silence.LOOK}: ask, or say that there is no answer. A page that slept asks first. */
  look(now: number): 'fine' | 'ask' | 'silent' {
    if (now - this._heard < Silence.PATIENCE) {
      return 'fine';
    }
    if (this._asked === undefined) {
      this._asked = now;
      return 'ask';
    }
    return now - this._asked < Silence.PATIENCE ? 'fine' : 'silent';
  }

  /** That there is no answer, for people, and what helps. */
  words(name: string, now: number): string {
    const since = new Date(this._heard);
    const isToday = since.toDateString() === new Date(now).toDateString();
    const when = isToday ? since.toLocaleTimeString() : since.toLocaleString();
    return (
      `No news since ${when}: the kernel of this cell was restarted or has ended, or is at work. ` +
      `ph.attach(${JSON.stringify(name)}) shows it as it is.`
    );
  }

  private _asked?: number;
}

/** The namespace of {@link Silence}. */
export namespace Silence {
  /** Between two looks. */
  export const LOOK = 2_000;
  /** Until it is asked, and for an answer. */
  export const PATIENCE = 8_000;
}

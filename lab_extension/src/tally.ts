/** What has ended, counted by kind: one notice for each kind, however many there are. */

/** Counts names by kind; a kind begins anew once its notice was dismissed. */
export class Tally {
  /** @param isThere - whether a notice has not been dismissed. */
  constructor(private _isThere: (notice: string) => boolean) {}

  /**
   * Count `name`, which is counted once however often it is told of.
   *
   * @returns how many there are of the kind, and the notice that tells of them; none at first.
   */
  add(kind: string, name: string): { count: number; notice?: string } {
    let found = this._kinds.get(kind);
    if (!found?.notice || !this._isThere(found.notice)) {
      found = { names: new Set() };
      this._kinds.set(kind, found);
    }
    found.names.add(name);
    return { count: found.names.size, notice: found.notice };
  }

  /** Say which notice tells of a kind. */
  tell(kind: string, notice: string): void {
    const found = this._kinds.get(kind);
    if (found) {
      found.notice = notice;
    }
  }

  private _kinds = new Map<string, { names: Set<string>; notice?: string }>();
}

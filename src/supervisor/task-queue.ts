interface Task {
  readonly isUrgent: boolean;
  readonly run: () => Promise<void>;
}

/** Does one thing after the other; of those that wait, the urgent ones first. */
export class TaskQueue {
  private readonly waiting: Task[] = [];
  private isBusy = false;

  take<Result>(task: () => Promise<Result>, { isUrgent = false } = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ isUrgent, run: () => task().then(resolve, reject) });
      void this.go();
    });
  }

  private async go(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.waiting.length > 0) {
      const urgent = this.waiting.findIndex(({ isUrgent }) => isUrgent);
      const [next] = this.waiting.splice(Math.max(urgent, 0), 1) as [Task];
      await next.run();
    }
    this.isBusy = false;
  }
}

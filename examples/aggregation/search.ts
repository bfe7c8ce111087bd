import { compose } from 'sallyport';

interface Parts {
  things: { url: string };
}

export default compose<Parts>(({ things }) => ({ summary: `asked for ${things.url}` }));

def all_answers(): return {}
